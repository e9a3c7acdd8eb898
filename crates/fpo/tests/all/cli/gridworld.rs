//! `fpo gridworld plot`, and its result for a flow trained where two ways are equally good.

use crate::cli::{DPPO, FPO, PPO, TINY, folder_with_run, fpo, stderr, succeeds};
use resvg::tiny_skia::{Pixmap, PremultipliedColorU8};
use serde_json::Value;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// A folder with a run called `run` of `gridworld-two_walls`, with the tiny settings and `sets`.
fn folder_with_grid(sets: &[&str]) -> TempDir {
    let folder = TempDir::new().unwrap();
    let sets = TINY.iter().chain(sets).flat_map(|set| ["--set", set]);
    let args: Vec<&str> = ["train", "gridworld-two_walls", "--name", "run"]
        .into_iter()
        .chain(sets)
        .collect();
    succeeds(&folder, &args);
    folder
}

fn image(path: &Path) -> Pixmap {
    Pixmap::load_png(path).unwrap()
}

fn plot(folder: &TempDir, more: &[&str]) -> Value {
    let args = [&["gridworld", "plot", "runs/run", "--json"], more].concat();
    serde_json::from_str(&succeeds(folder, &args)).unwrap()
}

#[test]
fn a_policy_is_drawn_identically_for_the_same_seed() {
    for method in [FPO, PPO, DPPO] {
        let folder = folder_with_grid(&[method]);
        let json = plot(&folder, &[]);
        assert_eq!(json["fork"]["cell"], serde_json::json!([12, 12]));
        let share = |name: &str| json["fork"][name].as_f64().unwrap();
        assert!(share("up") + share("down") <= 1.0 && share("left") + share("right") <= 1.0);
        assert!(
            share("up") > 0.0 && share("left") > 0.0,
            "nothing is learned yet: {json}"
        );
        let walks = json["walks"].as_object().unwrap().values();
        assert_eq!(walks.map(|n| n.as_u64().unwrap()).sum::<u64>(), 20);

        let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap();
        let picture = read("runs/run/gridworld.svg");
        assert!(picture.starts_with("<svg") && picture.trim_end().ends_with("</svg>"));
        for text in [
            "gridworld-two_walls",
            "1000 actions; diagonals count both ways",
        ] {
            assert!(picture.contains(text), "{text}");
        }
        let dots = |text: &str| text.matches("<circle").count();
        // The fork's actions, the centers of 7 × 7 cells, and both ends of each walk.
        assert_eq!(dots(&picture), 1000 + 49 + 2 * 20);
        let text = succeeds(
            &folder,
            &["gridworld", "plot", "runs/run", "--out", "again.svg"],
        );
        adds_up(&text, &json);
        assert_eq!(read("again.svg"), picture);
        let pixels = image(&folder.path().join("runs/run/gridworld.png"));
        assert_eq!((pixels.width(), pixels.height()), (2 * 1160, 2 * 480));
        // The title has letters on every machine: the font is bundled.
        let dark = |p: &&PremultipliedColorU8| {
            u16::from(p.red()) + u16::from(p.green()) + u16::from(p.blue()) < 200
        };
        let title = pixels.pixels().chunks_exact(2320).skip(30).take(28);
        assert!(title.flat_map(|row| &row[48..448]).filter(dark).count() > 500);
        succeeds(
            &folder,
            &["gridworld", "plot", "runs/run", "--out", "again.png"],
        );
        let bytes = |name: &str| fs::read(folder.path().join(name)).unwrap();
        assert_eq!(bytes("again.png"), bytes("runs/run/gridworld.png"));
        let other = plot(&folder, &["--seed", "1", "--out", "other.svg"]);
        assert_ne!(other["fork"], json["fork"]);
    }
}

/// The printed shares of each axis add up to 100 %, and agree with the JSON.
fn adds_up(text: &str, json: &Value) {
    assert!(
        text.contains("1000 actions in the cell (12, 12), each counted once along each axis:"),
        "{text}"
    );
    for (axis, names) in [
        ("vertical", ["up", "down", "neither"]),
        ("horizontal", ["left", "right", "neither"]),
    ] {
        let line = text
            .lines()
            .find(|line| line.trim_start().starts_with(axis))
            .unwrap();
        let shares = names.map(|name| {
            let (_, rest) = line.split_once(&format!(" {name} ")).unwrap();
            rest.split_once(" %").unwrap().0.parse::<f64>().unwrap()
        });
        assert!((shares.iter().sum::<f64>() - 100.0).abs() < 1e-9, "{line}");
        for (name, share) in names.iter().zip(shares).take(2) {
            let exact = 100.0 * json["fork"][name].as_f64().unwrap();
            assert!((exact - share).abs() < 1e-9, "{line}");
        }
    }
}

/// At the fork both ways are equally good: a trained flow keeps both, a Gaussian only one. Single
/// precision, so that a run is the same on every machine.
#[test]
fn a_flow_keeps_both_ways_at_the_fork_and_a_gaussian_does_not() {
    let rare = |method: &str| {
        let folder = folder_with_grid(&[
            method,
            "env.num_envs=64",
            "env.num_steps=32",
            "optimizer.minibatches=16",
            "optimizer.epochs=4",
            "policy.hidden=[32,32]",
            "critic.hidden=[32,32]",
            "eval.every=0",
            "train.steps=300000",
            "train.checkpoint_every=0",
            "train.precision=f32",
        ]);
        let json = plot(&folder, &[]);
        assert_eq!(json["walks"]["goal"], 20, "{json}");
        let share = |side: &str| json["fork"][side].as_f64().unwrap();
        share("up").min(share("down"))
    };
    let (flow, gaussian) = (rare(FPO), rare(PPO));
    assert!(
        flow >= 0.1 && gaussian <= 0.05,
        "flow {flow}, Gaussian {gaussian}"
    );
}

/// In an untrusted folder the default names may be links, which are replaced; a path from the user
/// is written directly.
#[cfg(unix)]
#[test]
fn pictures_replace_links_unless_the_user_names_them() {
    let folder = folder_with_grid(&[]);
    let precious = folder.path().join("precious.svg");
    fs::write(&precious, "mine").unwrap();
    let usual = folder.path().join("runs/run/gridworld.svg");
    let asked = folder.path().join("asked.svg");
    for link in [&usual, &asked] {
        std::os::unix::fs::symlink(&precious, link).unwrap();
    }
    plot(&folder, &[]);
    assert_eq!(fs::read_to_string(&precious).unwrap(), "mine");
    assert!(fs::symlink_metadata(&usual).unwrap().is_file());
    plot(&folder, &["--out", "asked.svg"]);
    assert_eq!(fs::read(&precious).unwrap(), fs::read(&usual).unwrap());
}

#[test]
fn other_tasks_and_other_extensions_are_rejected() {
    let (folder, _) = folder_with_run();
    for (args, words) in [
        (
            &["runs/run"][..],
            &["`cartpole-balance`", "not a GridWorld task"][..],
        ),
        (&["runs/run", "--out", "x.jpg"], &["x.jpg", ".svg or .png"]),
        (&["nowhere"], &["nowhere is not a run"]),
    ] {
        let output = fpo(&folder, &[&["gridworld", "plot"], args].concat())
            .output()
            .unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(
            text.lines().count() == 1 && words.iter().all(|w| text.contains(w)),
            "{text}"
        );
    }
    assert!(!folder.path().join("x.jpg").exists());
}
