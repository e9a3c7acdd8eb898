//! Random changes of task files and models: each loads and steps, or is answered in one line.

use super::{examples, load};
use crate::task::tests::reset;
use fpo_env::Env;
use fpo_rng::{Key, Philox, Stream};
use rand::RngExt;
use std::fs;

/// What is inserted, besides parts of the file itself.
const WORDS: [&str; 24] = [
    "0",
    "-1",
    "1e308",
    "nan",
    "inf",
    "1e-320",
    "99999999999",
    "*",
    "[",
    "]",
    "(",
    ")",
    "'",
    "\"",
    "=",
    "\n",
    "<",
    "/>",
    ".",
    " ",
    "\u{0}",
    "é",
    "in('chassis')",
    "log(-1)",
];

/// `text` after a few changes: parts deleted, doubled, swapped, and words inserted.
fn mutated(text: &str, rng: &mut Philox) -> String {
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..rng.random_range(1..4) {
        let at = rng.random_range(0..chars.len());
        let len = rng.random_range(0..12).min(chars.len() - at);
        match rng.random_range(0..4) {
            0 => drop(chars.drain(at..at + len)),
            1 => {
                let part = chars[at..at + len].to_vec();
                let to = rng.random_range(0..chars.len());
                drop(chars.splice(to..to, part));
            }
            2 => {
                let word = WORDS[rng.random_range(0..WORDS.len())];
                drop(chars.splice(at..at, word.chars()));
            }
            _ => {
                let word = WORDS[rng.random_range(0..WORDS.len())];
                drop(chars.splice(at..at + len, word.chars()));
            }
        }
        if chars.is_empty() {
            chars.push('x');
        }
    }
    chars.into_iter().collect()
}

/// Returns how many of `n` changed files were accepted.
fn try_mutations(n: u64, first: u64) -> u64 {
    let read = |path: &str| fs::read_to_string(examples().join(path)).unwrap();
    let tasks = [
        ("rover", "rover"),
        ("arm-reach", "arm"),
        ("cart-follow", "cart"),
    ];
    let tasks = tasks.map(|(task, model)| {
        let model_file = format!("models/{model}.xml");
        (read(&format!("{task}.toml")), read(&model_file), model_file)
    });
    let mut accepted = 0;
    for i in first..first + n {
        let mut rng = Philox::new(Key::new(5, Stream::Test).step(i));
        let (text, model, file) = &tasks[(i % 3) as usize];
        let (text, model) = match i % 2 {
            0 => (mutated(text, &mut rng), model.clone()),
            _ => (text.clone(), mutated(model, &mut rng)),
        };
        match load(&text, &[(file, &model)]) {
            Ok(task) => {
                accepted += 1;
                let mut env = task.make_env().unwrap();
                let mut observation = reset(&mut env, 1);
                for _ in 0..3 {
                    env.step(&task.plan.spec.action_max, &mut observation);
                }
                assert!(!task.explain().is_empty());
            }
            Err(error) => {
                let line = error.to_string();
                assert!(!line.contains('\n') && line.len() < 2000, "{i}: {line}");
            }
        }
    }
    accepted
}

#[test]
fn changed_files_are_answered_or_step() {
    let accepted = try_mutations(600, 0);
    println!("{accepted} of 600 were accepted");
    assert!((20..550).contains(&accepted), "{accepted}");
}

/// `cargo test --release -p fpo-mujoco many_changed_files -- --ignored`
#[test]
#[ignore = "takes minutes"]
fn many_changed_files_are_answered_or_step() {
    println!(
        "{} of 50000 were accepted",
        try_mutations(50_000, 1_000_000)
    );
}
