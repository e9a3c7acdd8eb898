//! `fpo policy show`, `fpo export`, and `fpo train --init-from`.

use crate::cli::{
    DPPO, METHODS, PPO, STATE, assert_same, folder_with_run, folder_with_run_of, fpo, record,
    stderr, succeeds, tiny,
};
use serde_json::Value;
use std::fs;
use std::path::Path;

const POLICY: &str = "runs/run/checkpoints/step-000000001280/policy.safetensors";

#[test]
fn a_policy_is_shown_with_all_that_it_holds() {
    for method in METHODS {
        let (folder, _) = folder_with_run_of(method);
        let json = succeeds(&folder, &["policy", "show", POLICY, "--json"]);
        let shown: Value = serde_json::from_str(&json).unwrap();
        let bytes = fs::read(folder.path().join(POLICY)).unwrap();
        let digest = blake3::hash(&bytes).to_hex().to_string();
        let gaussian = [PPO, "objective.method=reppo"].contains(&method);
        let (outputs, noise) = match method {
            DPPO => (1, 11),
            _ if gaussian => (2, 1),
            _ => (1, 1),
        };
        let inputs = if gaussian { 5 } else { 5 + 1 + 8 };
        for (key, expected) in [
            ("/policy", Value::from(POLICY)),
            ("/bytes", bytes.len().into()),
            ("/blake3", digest.clone().into()),
            ("/task", "cartpole-balance".into()),
            ("/observation_size", 5.into()),
            ("/noise_size", noise.into()),
            ("/action_size", 1.into()),
            ("/network/hidden/0", 16.into()),
            ("/network/output", outputs.into()),
            (
                "/parameters",
                (inputs * 16 + 16 + 16 * outputs + outputs).into(),
            ),
            ("/normalizer/observations_seen", 1280.into()),
            ("/action_map/min/0", (-1.0).into()),
            ("/action_map/max/0", 1.0.into()),
        ] {
            assert_eq!(shown.pointer(key), Some(&expected), "{method}, {key}");
        }
        assert_eq!(shown["normalizer"]["mean"].as_array().unwrap().len(), 5);
        let kind = if gaussian { "gaussian" } else { "flow" };
        assert!(shown["kind"][kind].is_object(), "{method}: {shown}");

        // For people, the same of a run.
        let text = succeeds(&folder, &["policy", "show", "runs/run"]);
        for expected in [
            &digest[..],
            "cartpole-balance",
            "1,280 observations",
            "-1 to 1",
        ] {
            assert!(
                text.contains(expected),
                "{method}: {expected} is not in {text}"
            );
        }
    }
}

#[test]
fn an_exported_policy_replaces_links_and_goes_with_its_run() {
    let (folder, run) = folder_with_run();
    let printed = succeeds(&folder, &["export", "runs/run", "--onnx"]);
    assert!(
        printed.contains("noise [batch, 1]") && printed.contains("opset 17"),
        "{printed}"
    );
    let file = run.join("policy.onnx");
    let bytes = fs::read(&file).unwrap();

    // By default nothing is written through a link.
    let precious = folder.path().join("precious");
    fs::write(&precious, "precious").unwrap();
    fs::remove_file(&file).unwrap();
    #[cfg(unix)]
    std::os::unix::fs::symlink(&precious, &file).unwrap();
    succeeds(&folder, &["export", "runs/run", "--onnx"]);
    assert!(
        fs::read(&file).unwrap() == bytes,
        "equal policies give equal files"
    );
    assert_eq!(fs::read_to_string(&precious).unwrap(), "precious");

    // That of a file outside of a run goes here, or where it is told to go.
    fs::copy(folder.path().join(POLICY), folder.path().join("alone")).unwrap();
    succeeds(&folder, &["export", "alone", "--onnx"]);
    assert!(fs::read(folder.path().join("policy.onnx")).unwrap() == bytes);
    let zero = [
        "export",
        POLICY,
        "--onnx",
        "--noise",
        "zero",
        "--out",
        "zero.onnx",
    ];
    assert!(!succeeds(&folder, &zero).contains("noise ["));
    assert!(fs::read(folder.path().join("zero.onnx")).unwrap() != bytes);

    // It belongs to the run that `--force` replaces.
    succeeds(&folder, &tiny("run", &["--force"]));
    assert!(!file.exists());
}

#[test]
fn a_run_that_begins_from_another_is_exact_and_needs_it_no_longer() {
    let (folder, source) = folder_with_run();
    let from = |name: &'static str, path: &'static str, more: &[&'static str]| {
        let more: Vec<&str> = ["--init-from", path, "--seed", "5"]
            .into_iter()
            .chain(more.iter().copied())
            .collect();
        let output = fpo(&folder, &tiny(name, &more)).output().unwrap();
        assert!(output.status.success(), "{}", stderr(&output));
        (
            record(&folder.path().join("runs").join(name)),
            stderr(&output),
        )
    };
    let (whole, said) = from("whole", "runs/run", &["--threads", "1"]);
    let line = "beginning from runs/run/checkpoints/step-000000001280 (cartpole-balance): policy, \
                normalizer (1280 observations) and critic";
    assert!(said.lines().any(|l| l == line), "{said}");
    let config = String::from_utf8(whole[Path::new("config.toml")].clone()).unwrap();
    assert!(
        config.contains("from = \"runs/run\"") && config.contains("digest = \""),
        "{config}"
    );
    let (of_file, said) = from("of-file", POLICY, &[]);
    assert!(
        said.contains("; not its critic, which a policy file does not hold"),
        "{said}"
    );
    assert!(of_file[Path::new(STATE)] != whole[Path::new(STATE)]);
    // Another task of the same sizes.
    let more = ["--init-from", POLICY, "--name", "other"];
    let mut other = tiny("other", &[]);
    other[1] = "cartpole-swingup";
    other.extend(&more[..2]);
    succeeds(&folder, &other);

    // Any number of threads, a stop and a resume, and the source gone.
    let (half, _) = from(
        "half",
        "runs/run",
        &["--threads", "3", "--set", "train.steps=640"],
    );
    assert!(half[Path::new("init.safetensors")] == whole[Path::new("init.safetensors")]);
    fs::remove_dir_all(&source).unwrap();
    let resume = [
        "train",
        "--resume",
        "runs/half",
        "--set",
        "train.steps=1280",
    ];
    succeeds(&folder, &resume);
    let resumed = record(&folder.path().join("runs/half"));
    for name in ["init.safetensors", STATE, "config.toml"] {
        assert!(resumed[Path::new(name)] == whole[Path::new(name)], "{name}");
    }

    // The recorded settings ask for the source, and notice another one.
    let again = [
        "train",
        "cartpole-balance",
        "--config",
        "runs/whole/config.toml",
        "--name",
    ];
    let run = |name: &str| {
        fpo(&folder, &[&again[..], &[name]].concat())
            .output()
            .unwrap()
    };
    assert_eq!(run("again").status.code(), Some(2));
    succeeds(&folder, &tiny("run", &[]));
    let output = run("again");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_same(&record(&folder.path().join("runs/again")), &whole);
    succeeds(&folder, &tiny("run", &["--seed", "8", "--force"]));
    let output = run("third");
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("init.digest"),
        "{}",
        stderr(&output)
    );
    assert!(!folder.path().join("runs/third").exists());
}

/// A file that is named for a result is written as it is; one that a run needs is not touched.
#[test]
fn results_never_replace_what_a_run_needs() {
    let folder = tempfile::tempdir().unwrap();
    succeeds(&folder, &tiny("run", &[]));
    let checkpoint = Path::new(POLICY).parent().unwrap().to_str().unwrap();
    let inside = |name: &str| format!("{checkpoint}/{name}");
    #[cfg(unix)]
    std::os::unix::fs::symlink("runs/run/config.toml", folder.path().join("link")).unwrap();
    let onnx = |out: &str| format!("export runs/run --onnx --out {out}");
    let csv = |out: &str| format!("eval runs/run --csv {out}");
    for command in [
        onnx(POLICY),
        onnx("runs/run/metrics.jsonl"),
        onnx(&inside("new.onnx")),
        #[cfg(unix)]
        onnx("link"),
        csv(&inside("state.safetensors")),
        csv("runs/run/config.toml"),
        csv("runs/run/.lock"),
    ] {
        let args: Vec<&str> = command.split(' ').collect();
        let file = folder.path().join(args.last().unwrap());
        let before = fs::read(&file).ok();
        let output = fpo(&folder, &args).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {error}");
        assert!(error.contains("a file that a run needs"), "{error}");
        assert!(fs::read(&file).ok() == before, "{args:?}");
    }
    // What is made of a run can be made again.
    for command in [onnx("runs/run/policy.onnx"), csv("runs/run/episodes.csv")] {
        succeeds(&folder, &command.split(' ').collect::<Vec<_>>());
    }
    // Bytes alone go to a redirected standard output.
    let file = fs::File::create(folder.path().join("out.onnx")).unwrap();
    let command = onnx("/dev/stdout");
    let args: Vec<&str> = command.split(' ').collect();
    assert!(fpo(&folder, &args).stdout(file).status().unwrap().success());
    let read = |name: &str| fs::read(folder.path().join(name)).unwrap();
    assert!(read("out.onnx") == read("runs/run/policy.onnx"));
}
