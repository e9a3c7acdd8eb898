//! A task file and, after a zero byte, its model: a task that steps, or a one-line error says why
//! not.
#![no_main]

use fpo_env::Task;
use fpo_fuzz::{folder, split};
use fpo_mujoco::task_file::FileTask;
use fpo_rng::{Key, Philox, Stream};
use libfuzzer_sys::fuzz_target;
use std::fs;
use std::sync::LazyLock;
use tempfile::TempDir;

static FOLDER: LazyLock<TempDir> = LazyLock::new(folder);

fuzz_target!(|input: &[u8]| {
    let (text, model) = split(input, 0);
    let path = FOLDER.path().join("task.toml");
    fs::write(&path, text).unwrap();
    fs::write(FOLDER.path().join("robot.xml"), model).unwrap();
    let task = match FileTask::load(&path) {
        Ok(task) => task,
        Err(error) => {
            let line = error.to_string();
            assert!(!line.contains('\n') && line.len() < 5000, "{line}");
            return;
        }
    };
    assert!(!task.explain().is_empty());
    let mut env = task.make().unwrap();
    let mut observation = vec![0.0; task.spec().observation_dim()];
    env.reset(&mut Philox::new(Key::new(1, Stream::Test)), &mut observation);
    for _ in 0..3 {
        env.step(&task.spec().action_max, &mut observation);
    }
    let mut state = Vec::new();
    env.save_state(&mut state).unwrap();
    let _ = env.load_state(&state);
});
