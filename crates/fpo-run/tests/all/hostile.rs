//! The guarantee: untrusted policies, checkpoints and run folders are read with bounds on sizes and
//! typed errors. No panics, no allocations from claimed sizes, nothing read or written outside the
//! folder.
//!
//! Inputs found by the fuzz targets (`fuzz/`) are tested here, too.

use fpo_env::Task;
use fpo_learn::evaluate::{EvaluateError, Noise, evaluate_both, play};
use fpo_learn::trainer::{TrainError, Trainer};
use fpo_policy::{NonFiniteAction, Policy};
use fpo_run::checkpoint::{Checkpoint, CheckpointError};
use fpo_run::config::{Config, load_recorded};
use fpo_run::run::{Pick, RunError, RunFolder, Session, find_policy};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use tempfile::TempDir;

fn task() -> Arc<dyn Task> {
    let tasks = fpo_env::tasks();
    let found = tasks
        .iter()
        .find(|task| task.spec().name == "bandit-two_modes");
    Arc::clone(found.unwrap())
}

/// Two iterations of eight steps.
fn config() -> Config {
    crate::tiny::config("bandit-two_modes", &["eval.episodes=1", "train.steps=16"])
}

fn trainer() -> Trainer {
    let mut trainer = Trainer::new(&config(), task(), 1).unwrap();
    trainer.iterate().unwrap();
    trainer
}

/// A run that was stopped after its first iteration.
fn stopped_run(folder: &Path) -> PathBuf {
    let path = folder.join("run");
    let locked = RunFolder::create(&path, false).unwrap();
    let mut session = Session::begin(locked, config(), task(), 1).unwrap();
    session.run(&AtomicBool::new(false), &mut ()).unwrap();
    fs::remove_dir_all(path.join("checkpoints/step-000000000016")).unwrap();
    path
}

fn resume(run: &Path) -> Result<Session, RunError> {
    let folder = RunFolder::open(run)?;
    let config = load_recorded(&folder.config(), &[])?;
    Session::resume(folder, config, task(), 1)
}

/// The parts of a safetensors file: its header as text, and the data.
fn parts(file: &[u8]) -> (String, Vec<u8>) {
    let (length, rest) = file.split_first_chunk().unwrap();
    let (header, data) = rest.split_at(u64::from_le_bytes(*length) as usize);
    (String::from_utf8(header.to_vec()).unwrap(), data.to_vec())
}

fn whole(header: &str, data: &[u8]) -> Vec<u8> {
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        data,
    ]
    .concat()
}

/// `file` with a text of its header replaced.
fn with_header(file: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (header, data) = parts(file);
    assert!(header.contains(from), "{from} is not in {header}");
    whole(&header.replacen(from, to, 1), &data)
}

/// `file` with the first bytes of the tensor `name` replaced.
fn with_tensor(file: &[u8], name: &str, bytes: &[u8]) -> Vec<u8> {
    let tensors = safetensors::SafeTensors::deserialize(file).unwrap();
    let data = tensors.tensor(name).unwrap().data();
    let start = data.as_ptr() as usize - file.as_ptr() as usize;
    let mut file = file.to_vec();
    file[start..start + bytes.len()].copy_from_slice(bytes);
    file
}

#[track_caller]
fn one_line(error: &dyn std::error::Error) -> String {
    let line = error.to_string();
    assert!(!line.contains('\n') && line.len() < 1000, "{line}");
    line
}

/// Invalid containers, for all readers.
fn impossible_containers(file: &[u8]) -> Vec<Vec<u8>> {
    let (header, data) = parts(file);
    let with_length = |length: u64| [&length.to_le_bytes(), &file[8..]].concat();
    let nested = "[".repeat(100_000);
    vec![
        vec![],
        b"short".to_vec(),
        with_length(0),
        with_length(u64::MAX),
        with_length(file.len() as u64),
        with_length(100_000_000),
        whole(&nested, &data),
        whole(&format!("{{\"__metadata__\":{nested}"), &data),
        whole(&header, &data[..data.len() - 1]),
        whole(&header, &[&data[..], &[0]].concat()),
        whole(
            &header.replacen("\"shape\":[", "\"shape\":[4294967296,4294967296,", 1),
            &data,
        ),
        whole(
            &header.replacen(
                "\"data_offsets\":[0,",
                "\"data_offsets\":[18446744073709551615,",
                1,
            ),
            &data,
        ),
        whole(
            &header.replacen("\"data_offsets\":[0,", "\"data_offsets\":[-1,", 1),
            &data,
        ),
        whole(&header.replacen("F32", "F64", 1), &data),
    ]
}

#[test]
fn policies() {
    let good = trainer().policy().save().unwrap();
    assert!(Policy::load(&good).is_ok());
    let mut bad = impossible_containers(&good);
    for (from, to) in [
        // False sizes, alone and as products.
        (r#"\"hidden\":[3]"#, r#"\"hidden\":[1000000000]"#.to_owned()),
        (
            r#"\"hidden\":[3]"#,
            r#"\"hidden\":[4294967296,4294967296]"#.to_owned(),
        ),
        (
            r#"\"hidden\":[3]"#,
            format!(r#"\"hidden\":[{}3]"#, "3,".repeat(100_000)),
        ),
        (
            r#"\"input\":"#,
            r#"\"input\":1844674407370955161"#.to_owned(),
        ),
        (
            r#"\"time_embedding\":"#,
            r#"\"time_embedding\":9999999999"#.to_owned(),
        ),
        (r#"\"flow_steps\":2"#, r#"\"flow_steps\":10001"#.to_owned()),
        // Numbers that are invalid in a normalizer.
        (
            r#"\"variance_floor\":1e-6"#,
            r#"\"variance_floor\":0"#.to_owned(),
        ),
        (
            r#"\"variance_floor\":1e-6"#,
            r#"\"variance_floor\":1e-300"#.to_owned(),
        ),
        (
            r#"\"variance_floor\":1e-6"#,
            r#"\"variance_floor\":1e300"#.to_owned(),
        ),
        (
            r#"\"variance_floor\":1e-6"#,
            r#"\"variance_floor\":-1"#.to_owned(),
        ),
        (r#"\"clip\":10.0"#, r#"\"clip\":0.0"#.to_owned()),
        (r#"\"clip\":10.0"#, r#"\"clip\":-1.0"#.to_owned()),
        (r#"\"clip\":10.0"#, r#"\"clip\":1e39"#.to_owned()),
        // Ranges that no task has, and bounds that are none.
        (r#"\"half_range\":["#, r#"\"half_range\":[-"#.to_owned()),
        (
            r#"\"half_range\":[1.0"#,
            r#"\"half_range\":[0.0"#.to_owned(),
        ),
        (
            r#"\"half_range\":[1.0"#,
            r#"\"half_range\":[1e39"#.to_owned(),
        ),
        (r#"\"middle\":[0.0"#, r#"\"middle\":[1e39"#.to_owned()),
        (r#"\"bound\":3.0"#, r#"\"bound\":1e39"#.to_owned()),
        (r#"\"bound\":3.0"#, r#"\"bound\":-1.0"#.to_owned()),
        // JSON in JSON: too deeply nested, truncated, with a duplicate field, of another kind.
        (
            r#"\"network\":{"#,
            format!(r#"\"network\":{}{{"#, "[".repeat(100_000)),
        ),
        (r#"{\"format\":2"#, r#"\"format\":2"#.to_owned()),
        (
            r#"\"task\":"#,
            r#"\"task\":\"a\",\"task\":{},\"x\":"#.to_owned(),
        ),
        (r#"\"format\":2"#, r#"\"format\":\"2\""#.to_owned()),
        (
            r#"\"format\":2"#,
            r#"\"format\":18446744073709551615"#.to_owned(),
        ),
    ] {
        bad.push(with_header(&good, from, &to));
    }
    let number = |x: f32| x.to_le_bytes();
    let double = |x: f64| x.to_le_bytes();
    for x in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        bad.push(with_tensor(&good, "policy.0.weight", &number(x)));
        bad.push(with_tensor(&good, "policy.1.bias", &number(x)));
    }
    for x in [f64::NAN, f64::INFINITY, 1e300] {
        bad.push(with_tensor(&good, "normalizer.mean", &double(x)));
        bad.push(with_tensor(&good, "normalizer.m2", &double(x)));
    }
    bad.push(with_tensor(&good, "normalizer.m2", &double(-1.0)));
    for (k, file) in bad.iter().enumerate() {
        let error = Policy::load(file)
            .err()
            .unwrap_or_else(|| panic!("file {k} is not a policy"));
        one_line(&error);
    }
}

/// Large finite weights may overflow; then no action is taken.
#[test]
fn a_policy_of_huge_weights_does_not_act() {
    let good = trainer().policy().save().unwrap();
    let huge: Vec<u8> = [f32::MAX, f32::MIN, f32::MAX]
        .iter()
        .flat_map(|x| x.to_le_bytes())
        .collect();
    let mut file = with_tensor(&good, "policy.0.weight", &huge);
    file = with_tensor(&file, "policy.1.weight", &huge);
    let policy = Policy::load(&file).unwrap();
    let mut action = vec![0.0; policy.action_dim()];
    let noise = vec![1.0; policy.noise_dim()];
    let acted = policy
        .actor(1)
        .act(&vec![1.0; policy.observation_dim()], &noise, &mut action);
    assert_eq!(acted, Err(NonFiniteAction { row: 0 }));
    let error = evaluate_both(&policy, task().as_ref(), 0, 3).unwrap_err();
    let line = one_line(&error);
    assert!(
        line.contains("episode 0") && line.contains("step 0"),
        "{line}"
    );
    let mut env = task().make().unwrap();
    let played = play(&policy, env.as_mut(), 0, 0, Noise::Random, |_, _, _| {
        ControlFlow::<()>::Continue(())
    });
    assert!(
        matches!(played, Err(EvaluateError::Acting(_))),
        "{played:?}"
    );
}

#[test]
fn training_states() {
    let good = trainer().state().unwrap();
    let restore = |state: &[u8]| Trainer::restore(&config(), task(), 1, state);
    assert!(restore(&good).is_ok());
    let mut bad = impossible_containers(&good);
    for (from, to) in [
        (
            r#"\"iteration\":1"#,
            r#"\"iteration\":18446744073709551615"#,
        ),
        (r#"\"iteration\":1"#, r#"\"iteration\":-1"#),
        (
            r#"\"policy_adam_steps\":2"#,
            r#"\"policy_adam_steps\":1099511627776"#,
        ),
        (
            r#"\"normalizer_count\":8"#,
            r#"\"normalizer_count\":18446744073709551615"#,
        ),
        (
            r#"\"normalizer_count\":8"#,
            r#"\"normalizer_count\":8,\"lr_scale\":0.0"#,
        ),
        (
            r#"\"normalizer_count\":8"#,
            r#"\"normalizer_count\":8,\"lr_scale\":-1.0"#,
        ),
        (r#"\"seed\":0"#, r#"\"seed\":1"#),
        (r#"\"format\":2"#, r#"\"format\":9"#),
        ("policy_adam_first.0.weight", "policy_adam_first.9.weight"),
        ("critic.0.weight", "critic.0.height"),
        ("\"environments\"", "\"environment\""),
        ("fpo_state", "fpo_policy"),
    ] {
        bad.push(with_header(&good, from, to));
    }
    for x in [f32::NAN, f32::INFINITY] {
        for name in [
            "policy.0.weight",
            "policy_adam_first.0.bias",
            "critic_adam_second.1.weight",
        ] {
            bad.push(with_tensor(&good, name, &x.to_le_bytes()));
        }
    }
    bad.push(with_tensor(
        &good,
        "policy_adam_second.0.weight",
        &(-1e-20f32).to_le_bytes(),
    ));
    bad.push(with_tensor(
        &good,
        "normalizer.mean",
        &f64::NAN.to_le_bytes(),
    ));
    bad.push(with_tensor(&good, "normalizer.m2", &(-1f64).to_le_bytes()));
    // Resets, length, limit, total reward, observation, length of the environment's own state. For
    // the last, the largest number is valid: it means that there is no state.
    for (at, bytes) in [
        (0, &u64::MAX.to_le_bytes()[..]),
        (8, &u32::MAX.to_le_bytes()),
        (12, &0u32.to_le_bytes()),
        (16, &f64::NAN.to_le_bytes()),
        (24, &f32::INFINITY.to_le_bytes()),
        (28, &(u64::MAX - 1).to_le_bytes()),
        (28, &1u64.to_le_bytes()),
    ] {
        let tensors = safetensors::SafeTensors::deserialize(&good).unwrap();
        let mut state = tensors.tensor("environments").unwrap().data().to_vec();
        state[at..at + bytes.len()].copy_from_slice(bytes);
        bad.push(with_tensor(&good, "environments", &state));
    }
    for (k, state) in bad.iter().enumerate() {
        match restore(state)
            .err()
            .unwrap_or_else(|| panic!("file {k} is not a state"))
        {
            error @ TrainError::State(_) => one_line(&error),
            error => panic!("file {k}: {error}"),
        };
    }
}

#[test]
fn manifests() {
    let folder = TempDir::new().unwrap();
    let path = stopped_run(folder.path()).join("checkpoints/step-000000000008");
    let manifest = path.join("manifest.json");
    let good = fs::read_to_string(&manifest).unwrap();
    fs::write(folder.path().join("secret"), "not yours").unwrap();
    let nested = "[".repeat(100_000);
    for (from, to) in [
        ("\"policy.safetensors\"", "\"../../../secret\""),
        ("\"policy.safetensors\"", "\"/etc/passwd\""),
        ("\"policy.safetensors\"", "\"..\""),
        ("\"policy.safetensors\"", "\".\""),
        ("\"policy.safetensors\"", "\"\""),
        ("\"policy.safetensors\"", "\"a/b\""),
        ("\"policy.safetensors\"", "\"config.toml/\""),
        ("\"policy.safetensors\"", "\"state.safetensors\""),
        ("\"bytes\": ", "\"bytes\": 99999999999"),
        ("\"bytes\": ", "\"bytes\": -"),
        ("\"files\": [", "\"files\": [0, "),
        ("\"files\": [", &format!("\"files\": {nested}[")),
        ("\"iteration\": 1", "\"iteration\": 1, \"iteration\": 2"),
        ("\"kind\"", &format!("\"x\": {nested}, \"kind\"")),
    ] {
        assert!(good.contains(from), "{from}");
        fs::write(&manifest, good.replacen(from, to, 1)).unwrap();
        one_line(
            &Checkpoint::open(&path)
                .err()
                .unwrap_or_else(|| panic!("{from} → {to}")),
        );
    }
}

/// A link is followed if its target is a file with the recorded hash; a device or a pipe is never
/// read.
#[cfg(unix)]
#[test]
fn links_and_pipes_in_a_checkpoint() {
    let folder = TempDir::new().unwrap();
    let path = stopped_run(folder.path()).join("checkpoints/step-000000000008");
    let state = path.join("state.safetensors");
    let replaced = |make: &dyn Fn()| {
        fs::remove_file(&state).unwrap();
        make();
        Checkpoint::open(&path)
            .unwrap()
            .read("state.safetensors")
            .unwrap_err()
    };
    let link = |to: &str| std::os::unix::fs::symlink(to, &state).unwrap();
    for target in ["/dev/zero", "/", "state.safetensors"] {
        let error = replaced(&|| link(target));
        assert!(
            matches!(error, CheckpointError::Read { .. }),
            "{target}: {error}"
        );
    }
    let error = replaced(&|| link("policy.safetensors"));
    assert!(matches!(error, CheckpointError::Damaged { .. }), "{error}");
    // A pipe without a writer: opening it would block forever.
    let error = replaced(&|| crate::make_pipe(&state));
    assert!(one_line(&error).contains("not a regular file"), "{error}");
    let pipe_at = folder.path().join("pipe");
    crate::make_pipe(&pipe_at);
    assert!(find_policy(&pipe_at, Pick::Latest).is_err());
}

/// Resuming in an untrusted folder changes nothing outside of it, whatever links it holds.
#[cfg(unix)]
#[test]
fn links_in_a_run_folder() {
    for name in [
        "metrics.jsonl",
        "eval.csv",
        "events.jsonl",
        "config.toml",
        ".partial-metrics.jsonl",
        ".partial-eval.csv",
        ".partial-events.jsonl",
        ".partial-config.toml",
        ".lock",
        "checkpoints",
        "checkpoints/.partial-step-000000000016",
        "checkpoints/step-000000000016",
        "checkpoints/.replaced-step-000000000016",
    ] {
        let folder = TempDir::new().unwrap();
        let run = stopped_run(folder.path());
        let (inside, outside) = (run.join(name), folder.path().join("outside"));
        // The link leads to a copy of the original, so that only the link itself is wrong.
        if inside.exists() {
            fs::rename(&inside, &outside).unwrap();
        } else if name.starts_with("checkpoints/") {
            fs::create_dir(&outside).unwrap();
            fs::write(outside.join("precious"), "mine").unwrap();
        } else {
            fs::write(&outside, "mine").unwrap();
        }
        std::os::unix::fs::symlink(&outside, &inside).unwrap();
        let before = everything(&outside);
        match resume(&run) {
            Ok(mut session) => drop(session.run(&AtomicBool::new(false), &mut ())),
            Err(error) => drop(one_line(&error)),
        }
        assert_eq!(everything(&outside), before, "{name}");
        let begun = RunFolder::create(&run, true)
            .and_then(|folder| Session::begin(folder, config(), task(), 1))
            .and_then(|mut session| session.run(&AtomicBool::new(false), &mut ()));
        if let Err(error) = begun {
            one_line(&error);
        }
        assert_eq!(everything(&outside), before, "{name}, started over");
    }
}

/// All files at or below a path, with their content.
fn everything(path: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    if path.is_file() {
        return vec![(path.to_owned(), fs::read(path).unwrap())];
    }
    let mut entries: Vec<_> = fs::read_dir(path)
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    entries.sort();
    let mut found = vec![(path.to_owned(), Vec::new())];
    found.extend(entries.iter().flat_map(|entry| everything(entry)));
    found
}

/// Files beside the checkpoint that no run would write.
#[test]
fn foreign_files_in_a_run_folder() {
    let folder = TempDir::new().unwrap();
    let run = stopped_run(folder.path());
    let metrics = fs::read_to_string(run.join("metrics.jsonl")).unwrap();
    let first = metrics.lines().next().unwrap();
    for (name, content) in [
        ("metrics.jsonl", "[".repeat(100_000) + "\n" + first + "\n"),
        (
            "metrics.jsonl",
            "{\"iteration\":0,\"env_steps\":18446744073709551615}\n".repeat(2),
        ),
        ("metrics.jsonl", "x".repeat(3 << 20)),
        (
            "metrics.jsonl",
            "{\"iteration\":-1,\"env_steps\":1}\n\n".to_owned(),
        ),
        ("eval.csv", "9".repeat(3 << 20)),
        ("config.toml", "x".repeat(3 << 20)),
        ("config.toml", "a.".repeat(100_000)),
        ("config.toml", format!("x = {}", "[".repeat(100_000))),
        ("config.toml", format!("x = {}", "{a=".repeat(100_000))),
        ("config.toml", "[env]\nnum_envs = 4000000000\n".to_owned()),
    ] {
        let good = fs::read(run.join(name)).unwrap();
        fs::write(run.join(name), &content).unwrap();
        let error = resume(&run)
            .err()
            .unwrap_or_else(|| panic!("{name}: {}", &content[..40]));
        assert!(error.is_input() || name == "eval.csv", "{error}");
        one_line(&error);
        assert!(
            fs::read(run.join(name)).unwrap() == content.as_bytes(),
            "{name} is unchanged"
        );
        fs::write(run.join(name), good).unwrap();
    }
    assert!(resume(&run).is_ok());
}
