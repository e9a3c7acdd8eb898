//! The list of tasks.

use std::collections::HashSet;

#[test]
fn tasks_are_listed_once_and_found_by_name() {
    let tasks = fpo_mujoco::tasks();
    let names: HashSet<_> = tasks.iter().map(|task| task.spec().name.clone()).collect();
    assert_eq!((tasks.len(), names.len()), (28, 28));
    for task in &tasks {
        let spec = task.spec();
        let found = fpo_mujoco::task(&spec.name).expect("it is in the list");
        assert_eq!(found.spec(), spec);
        assert!(
            !spec.summary.is_empty() && spec.step_limit == Some(1000),
            "{}",
            spec.name
        );
    }
    assert!(fpo_mujoco::task("cheetah-fly").is_none());
}

#[test]
fn the_models_come_with_their_licences() {
    use fpo_mujoco::{gym, suite};
    for (files, file, licence, name) in [
        (
            suite::MODEL_FILES,
            "cheetah.xml",
            suite::MODEL_LICENCE,
            "Apache License",
        ),
        (
            gym::MODEL_FILES,
            "half_cheetah.xml",
            gym::MODEL_LICENCE,
            "MIT License",
        ),
    ] {
        assert!(files.iter().any(|(name, _)| *name == file), "{file}");
        assert!(licence.contains(name), "{file}");
    }
}
