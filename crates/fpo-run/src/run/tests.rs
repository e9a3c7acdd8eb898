use super::*;
use fpo_env::{Env, EnvSpec, MakeError};
use std::fs;

/// A task whose environments cannot be created.
struct Broken(EnvSpec);

impl Task for Broken {
    fn spec(&self) -> &EnvSpec {
        &self.0
    }

    fn make(&self) -> Result<Box<dyn Env>, MakeError> {
        Err(MakeError("a part is missing".into()))
    }
}

#[test]
fn a_run_that_cannot_start_does_not_replace_another() {
    let task = Arc::new(Broken(EnvSpec {
        name: "broken".into(),
        summary: String::new(),
        observation: vec![("position".into(), 1)],
        action_min: vec![-1.0],
        action_max: vec![1.0],
        control_timestep: 0.1,
        step_limit: Some(10),
    }));
    let path = tempfile::TempDir::new().unwrap();
    let files = [
        CONFIG,
        "metrics.jsonl",
        "checkpoints/step-000000000010/manifest.json",
    ]
    .map(|name| path.path().join(name));
    fs::create_dir_all(path.path().join("checkpoints/step-000000000010")).unwrap();
    files
        .iter()
        .for_each(|file| fs::write(file, "old").unwrap());
    let mut config = Config::default();
    (
        config.env.num_envs,
        config.env.sequences,
        config.optimizer.minibatches,
    ) = (1, 1, 1);
    let folder = RunFolder::create(path.path(), true).unwrap();
    let error = Session::begin(folder, config, task, 1).err().unwrap();
    assert_eq!(error.to_string(), "a part is missing");
    for file in files {
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "old",
            "{}",
            file.display()
        );
    }
}
