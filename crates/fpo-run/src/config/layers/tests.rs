use super::*;
use crate::config::{GaeForm, LearningPrecision, Method, Recompute};

fn sets(sets: &[&str]) -> Result<Config, ConfigError> {
    let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
    resolve("cheetah-run", None, None, &sets, None)
}

/// The one-line error for a wrong `--set`.
fn error(set: &str) -> String {
    let message = sets(&[set]).expect_err(set).to_string();
    assert!(!message.contains('\n'), "{message}");
    message
}

fn file(text: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    file
}

#[test]
fn later_layers_win() {
    let file = file(
        "seed = 4\n[optimizer]\nepochs = 5\nminibatches = \
        8\n[task.\"cheetah-run\".optimizer]\nminibatches = 4\n",
    );
    let config = resolve(
        "cheetah-run",
        Some("fast"),
        Some(file.path()),
        &["optimizer.epochs=6".into()],
        None,
    )
    .unwrap();
    assert_eq!(config.policy.output_scale, 0.25, "from the defaults");
    assert_eq!(
        config.optimizer.minibatches, 4,
        "from the file's table for this task"
    );
    assert_eq!(config.optimizer.epochs, 6, "from --set");
    assert_eq!(config.policy.flow_steps, 10, "from the defaults");
    assert_eq!(
        (config.task.as_str(), config.preset.as_str(), config.seed),
        ("cheetah-run", "fast", 4)
    );
    let other = resolve("walker-run", Some("fast"), Some(file.path()), &[], Some(9)).unwrap();
    assert_eq!((other.optimizer.minibatches, other.seed), (8, 9));
}

#[test]
fn paper_equals_the_defaults_except_two_discounts_and_the_checkpoints() {
    for (task, gamma) in [
        ("cheetah-run", 0.995),
        ("ball_in_cup-catch", 0.95),
        ("finger-spin", 0.95),
    ] {
        let mut expected = Config {
            task: task.into(),
            preset: "paper".into(),
            ..Config::default()
        };
        expected.advantage.gamma = gamma;
        expected.eval.every = 5_000_000;
        expected.train.checkpoint_every = 1;
        assert_eq!(
            resolve(task, Some("paper"), None, &[], None).unwrap(),
            expected
        );
    }
}

/// The configuration of `preset` and `sets` for cheetah-run.
fn preset(preset: &str, sets: &[&str]) -> Config {
    let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
    resolve("cheetah-run", Some(preset), None, &sets, None).unwrap()
}

#[test]
fn a_method_applies_its_settings_in_whichever_layer_it_is_set() {
    for (name, base, method) in [
        ("ppo", "paper", Method::Ppo),
        ("ppo-fast", "fast", Method::Ppo),
        ("dppo", "paper", Method::Dppo),
        ("dppo-fast", "fast", Method::Dppo),
        ("qfm-fast", "fast", Method::Qfm),
        ("reppo-fast", "fast", Method::Reppo),
    ] {
        let named = preset(name, &[]);
        let word = name.split('-').next().unwrap();
        let set = preset(base, &[&format!("objective.method={word}")]);
        assert_eq!(
            named,
            Config {
                preset: name.into(),
                ..set
            }
        );
        assert_eq!(named.objective.method, method);
    }
    assert_ne!(
        preset("ppo-fast", &[]).objective.clip,
        preset("fast", &[]).objective.clip
    );
    // Published: learning rate 3e-4, clip 0.1, entropy 0.01, the sizes of FPO.
    let (ppo, paper) = (preset("ppo", &[]), preset("paper", &[]));
    assert_eq!(
        (ppo.objective.clip, ppo.objective.entropy, ppo.optimizer),
        (0.1, 0.01, paper.optimizer)
    );
    // --set overrides the method's table, and that overrides the rest of its file.
    assert_eq!(preset("ppo", &["objective.clip=0.3"]).objective.clip, 0.3);
    let file = file(
        "[objective]\nmethod = \"ppo\"\nclip = 0.4\n[method.ppo.objective]\nclip = \
        0.2\n[method.fpo.objective]\nclip = 0.01\n",
    );
    let by_file = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
        resolve("t", None, Some(file.path()), &sets, None).unwrap()
    };
    assert_eq!(by_file(&[]).objective.clip, 0.2);
    assert_eq!(
        by_file(&["objective.method=fpo", "objective.entropy=0"])
            .objective
            .clip,
        0.01
    );
}

/// A task may have settings for one method alone; they are always checked.
#[test]
fn a_task_has_tables_for_methods() {
    let file = file(
        "[optimizer]\nepochs = 5\n[method.ppo.optimizer]\nepochs = \
        4\n[task.t.optimizer]\nminibatches = 2\n\
         [task.t.method.ppo.optimizer]\nepochs = 3\n[task.t.method.fpo.optimizer]\nepochs = 7\n",
    );
    let epochs = |task: &str, sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
        resolve(task, None, Some(file.path()), &sets, None)
            .unwrap()
            .optimizer
            .epochs
    };
    let ppo = "objective.method=ppo";
    assert_eq!([epochs("t", &[]), epochs("t", &[ppo])], [7, 3]);
    assert_eq!([epochs("other", &[]), epochs("other", &[ppo])], [5, 4]);
    for (table, part) in [
        (
            "[task.other.method.ppo.optimizer]\nepoch = 3\n",
            "did you mean `optimizer.epochs`?",
        ),
        (
            "[task.other.method.pppo.optimizer]\nepochs = 3\n",
            "did you mean \"ppo\"?",
        ),
    ] {
        let bad = self::file(table);
        let message = resolve("t", None, Some(bad.path()), &[], None)
            .unwrap_err()
            .to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn tables_of_unknown_methods_and_conflicts_are_rejected() {
    let unknown = file("[method.pppo.objective]\nclip = 0.2\n");
    let message = resolve("t", None, Some(unknown.path()), &[], None)
        .unwrap_err()
        .to_string();
    assert!(message.contains("did you mean \"ppo\"?"), "{message}");
    let unknown = file("[method.fpo.objective]\nclop = 0.2\n");
    let message = resolve("t", None, Some(unknown.path()), &[], None)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("did you mean `objective.clip`?"),
        "{message}"
    );
    for (set, part) in [
        ("objective.entropy=0.01", "needs objective.method = \"ppo\""),
        ("policy.sampler=heun", "needs policy.sampler = \"euler\""),
        (
            "objective.final_steps=11",
            "objective.final_steps = 11 is more than policy.flow_steps = 10",
        ),
        (
            "policy.action_noise=0.02",
            "needs objective.method = \"fpo\", \"awfm\" or \"qfm\"",
        ),
    ] {
        let message = sets(&["objective.method=dppo", set])
            .unwrap_err()
            .to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn methods_that_follow_q_refuse_what_they_do_not_use() {
    for (set, part) in [
        ("advantage.estimator=group", "advantage.estimator = \"gae\""),
        (
            "advantage.recompute=per_minibatch",
            "advantage.recompute = \"per_iteration\"",
        ),
        ("objective.knn_entropy=0.1", "does not use"),
        ("policy.action_noise=0.1", "\"qfm\""),
    ] {
        let message = sets(&["objective.method=reppo", set])
            .unwrap_err()
            .to_string();
        assert!(message.contains(part), "{message}");
    }
    for (set, part) in [
        ("critic.bin_max=-0.2", "must be above critic.bin_min"),
        ("advantage.form=brax", "truncated steps have no target"),
    ] {
        let message = sets(&["critic.head=hl_gauss", set])
            .unwrap_err()
            .to_string();
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn fast_is_the_default_preset() {
    let config = sets(&[]).unwrap();
    assert_eq!(config.preset, "fast");
    assert_eq!(
        (config.advantage.recompute, config.advantage.form),
        (Recompute::PerIteration, GaeForm::Textbook)
    );
}

#[test]
fn values_are_read_leniently_where_they_are_unambiguous() {
    let config = sets(&[
        "train.steps = 1e6",
        "env.random_initial_length=false",
        "policy.hidden=64,64",
        "critic.hidden=[32]",
        "advantage.recompute=per_iteration",
        "advantage.form=\"brax\"",
        "env.reward_scale=2",
    ])
    .unwrap();
    assert_eq!(config.train.steps, 1_000_000);
    assert!(!config.env.random_initial_length);
    assert_eq!(
        (config.policy.hidden, config.critic.hidden),
        (vec![64, 64], vec![32])
    );
    assert_eq!(
        (config.advantage.form, config.env.reward_scale),
        (GaeForm::Brax, 2.0)
    );
}

#[test]
fn unknown_keys_name_the_nearest() {
    for (key, nearest) in [
        ("optimizer.epoch", "optimizer.epochs"),
        ("optimiser.learning_rate", "optimizer.learning_rate"),
        ("num_envs", "env.num_envs"),
        ("objective.gamma", "advantage.gamma"),
        ("polcy.hidden", "policy.hidden"),
        ("env.num_envs.x", "env.num_envs"),
    ] {
        let message = error(&format!("{key}=1"));
        assert!(
            message.contains(&format!("did you mean `{nearest}`?")),
            "{key}: {message}"
        );
    }
    let bad = file("[optimzer]\nepochs = 3\n");
    let message = resolve("t", None, Some(bad.path()), &[], None)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("unknown key `optimzer`; did you mean `optimizer`?"),
        "{message}"
    );
    let elsewhere = file("[task.other.env]\nnum_env = 3\n");
    let message = resolve("t", None, Some(elsewhere.path()), &[], None)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("did you mean `env.num_envs`?"),
        "{message}"
    );
}

#[test]
fn errors_of_types_and_choices_list_what_is_allowed() {
    for (set, parts) in [
        (
            "optimizer.epochs=many",
            ["`optimizer.epochs`", "\"many\"", "whole number"],
        ),
        (
            "optimizer.epochs=1.5",
            ["`optimizer.epochs`", "1.5", "whole number"],
        ),
        (
            "optimizer.epochs=-1",
            ["`optimizer.epochs`", "-1", "whole number"],
        ),
        (
            "env.random_initial_length=1",
            ["`env.random_initial_length`", "= 1", "true or false"],
        ),
        (
            "policy.hidden=[1, -1]",
            ["`policy.hidden`", "-1", "list of whole numbers"],
        ),
        (
            "policy.hidden=a,b",
            ["`policy.hidden`", "a,b", "list of whole numbers"],
        ),
        ("env=3", ["`env`", "= 3", "`env.num_envs`"]),
        (
            "optimizer={learning_rate = 1e-5}",
            [
                "`optimizer`",
                "a group of them",
                "`optimizer.learning_rate`",
            ],
        ),
        (
            "advantage.recompute=per_iteratoin",
            [
                "`advantage.recompute`",
                "(per_iteration, per_minibatch)",
                "did you mean \"per_iteration\"?",
            ],
        ),
        (
            "optimizer.epochs=",
            ["`optimizer.epochs`", "\"\"", "whole number"],
        ),
        (
            "optimizer.epochs=1\ny = 2",
            ["`optimizer.epochs`", "y = 2", "whole number"],
        ),
        (
            "optimizer.epochs",
            ["--set", "optimizer.epochs", "key=value"],
        ),
        ("task=x", ["`task`", "not a setting", "command line"]),
    ] {
        let message = error(set);
        assert!(
            parts.iter().all(|part| message.contains(part)),
            "{set}: {message}"
        );
    }
}

#[test]
fn errors_of_ranges_give_the_range() {
    for (set, parts) in [
        ("env.num_envs=0", ["`env.num_envs` = 0", "1 to 32768"]),
        (
            "env.num_envs=1000000000",
            ["`env.num_envs` = 1000000000", "1 to 32768"],
        ),
        ("train.steps=0", ["`train.steps` = 0", "1 to"]),
        (
            "optimizer.learning_rate=nan",
            ["`optimizer.learning_rate` = nan", "above 0, at most 1"],
        ),
        (
            "optimizer.learning_rate=inf",
            ["`optimizer.learning_rate` = inf", "above 0, at most 1"],
        ),
        (
            "optimizer.learning_rate=0",
            ["`optimizer.learning_rate` = 0", "above 0, at most 1"],
        ),
        (
            "advantage.gamma=1",
            ["`advantage.gamma` = 1", "0 or more, below 1"],
        ),
        (
            "advantage.lambda=-0.1",
            ["`advantage.lambda` = -0.1", "0 to 1"],
        ),
        (
            "policy.hidden=[]",
            ["`policy.hidden` = []", "1 to 16 numbers, each 1 to 8192"],
        ),
        (
            "policy.hidden=[0]",
            ["`policy.hidden` = [0]", "each 1 to 8192"],
        ),
        (
            "policy.time_embedding=7",
            ["`policy.time_embedding` = 7", "even"],
        ),
        (
            "optimizer.minibatches=3",
            [
                "`optimizer.minibatches` = 3 must divide",
                "env.num_steps = ",
            ],
        ),
        ("objective.clip=-nan", ["`objective.clip` = nan", "above 0"]),
    ] {
        let message = error(set);
        let message = message
            .replace("optimizer.minibatches = 3", "`optimizer.minibatches` = 3")
            .replace("-nan", "nan");
        assert!(
            parts.iter().all(|part| message.contains(part)),
            "{set}: {message}"
        );
    }
    let message = sets(&["objective.antithetic=true", "objective.samples=3"])
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("even objective.samples, not 3"),
        "{message}"
    );
    let message = sets(&[
        "advantage.recompute=per_minibatch",
        "optimizer.minibatches=512",
    ])
    .unwrap_err()
    .to_string();
    assert!(message.contains("whole sequences"), "{message}");
    let message = sets(&["env.num_envs=32768", "env.num_steps=16384"])
        .unwrap_err()
        .to_string();
    assert!(message.contains("16 GiB"), "{message}");
    // Networks' inputs are stored, too: 40 numbers a sample, or 34 with a small embedding. Without
    // them, and with a small embedding, these samples have less than 16 GiB.
    let many = [
        "env.num_envs=4096",
        "env.num_steps=128",
        "objective.samples=76",
    ];
    let message = sets(&many).unwrap_err().to_string();
    assert!(message.contains("16 GiB"), "{message}");
    let small = [&many[..], &["policy.time_embedding=2"]].concat();
    assert!(sets(&small).is_ok());
    for (conflict, part) in [
        (
            &["policy.hidden=[8192,8192,8192]"][..],
            "policy.hidden = [8192, 8192, 8192] is a network of 134 million",
        ),
        (
            &["critic.hidden=[8192,8192]"],
            "critic.hidden = [8192, 8192] is a network of 67 million",
        ),
        (
            &[
                "advantage.recompute=per_minibatch",
                "env.num_steps=65535",
                "env.num_envs=32",
                "objective.samples=1",
                "critic.hidden=[1024,1024]",
            ],
            "too wide for this env.num_steps: 65536 rows",
        ),
        (
            &[
                "advantage.recompute=per_minibatch",
                "advantage.normalize=batch",
            ],
            "needs advantage.recompute = \"per_iteration\"",
        ),
        (
            &["advantage.estimator=group", "advantage.group_size=100"],
            "advantage.group_size = 100 must divide env.num_envs = 256",
        ),
        (
            &["objective.time=inner_grid", "policy.flow_steps=1"],
            "needs policy.flow_steps of 2 or more",
        ),
        (
            &["objective.knn_entropy=0.1", "objective.knn_k=9"],
            "objective.knn_k = 9 is more than objective.knn_samples = 8",
        ),
        (
            &["objective.knn_entropy=0.1", "objective.method=ppo"],
            "objective.entropy is its weight",
        ),
    ] {
        let message = sets(conflict).unwrap_err().to_string();
        assert!(message.contains(part), "{message}");
    }
    assert!(sets(&["advantage.normalize=batch"]).is_ok());
    // Settings that groups do not use cannot conflict with them.
    let group = [
        "advantage.estimator=group",
        "advantage.recompute=per_minibatch",
        "advantage.normalize=batch",
    ];
    assert!(sets(&group).is_ok());
    let message = resolve("t", None, None, &[], Some(u64::MAX))
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("`seed` = 18446744073709551615"),
        "{message}"
    );
}

#[test]
fn files_that_are_not_configurations() {
    let broken = file("[env]\nnum_envs = = 3\n");
    let message = resolve("t", None, Some(broken.path()), &[], None)
        .unwrap_err()
        .to_string();
    assert!(
        message.contains("line 2") && !message.contains('\n'),
        "{message}"
    );
    let message = resolve("t", None, Some(Path::new("/nowhere/x.toml")), &[], None)
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("cannot read /nowhere/x.toml: "),
        "{message}"
    );
    let message = resolve("t", Some("quick"), None, &[], None)
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "unknown preset `quick`; there are: dppo, dppo-fast, fast, paper, ppo, ppo-fast, \
         qfm-fast, reppo-fast"
    );
}

#[test]
fn a_documented_configuration_reads_back_as_itself() {
    let config = sets(&[
        "optimizer.learning_rate=3.3e-4",
        "policy.hidden=[7]",
        "advantage.gamma=0.9",
    ])
    .unwrap();
    let text = documented(&config);
    let stored = file(&text);
    assert_eq!(load_recorded(stored.path(), &[]).unwrap(), config);
    assert_eq!(
        resolve("cheetah-run", None, Some(stored.path()), &[], None).unwrap(),
        config
    );
    assert!(
        text.contains("learning_rate = 0.00033\n"),
        "an f32 is written in the digits that were given:\n{text}"
    );
    assert!(documentation().contains(
        "# Environments that step in parallel.\n#   whole number, 1 to 32768\nnum_envs = 2048\n"
    ));
}

#[test]
fn every_key_is_documented_and_every_choice() {
    for key in keys() {
        assert!(!key.doc.is_empty(), "{}", key.path);
        if let ValueKind::Choice(choices) = &key.kind {
            assert!(
                choices.len() > 1 && choices.iter().all(|(_, doc)| !doc.is_empty()),
                "{choices:?}"
            );
        }
    }
    assert!(keys().len() > 40);
}

#[test]
fn a_resumed_run_can_be_extended_and_stabilized_but_not_changed() {
    let trained = sets(&[]).unwrap();
    let stored = file(&documented(&trained));
    let reopened = |sets: &[&str]| {
        let sets: Vec<String> = sets.iter().map(|s| s.to_string()).collect();
        load_recorded(stored.path(), &sets).unwrap()
    };
    let calmer = reopened(&[
        "train.steps=123456",
        "eval.episodes=2",
        "optimizer.learning_rate=1e-5",
        "optimizer.critic_learning_rate=1e-5",
        "optimizer.final_lr_fraction=0.5",
        "optimizer.target_kl=0.01",
        "optimizer.max_kl=0.02",
        "optimizer.lr_scale_min=0.5",
        "optimizer.lr_scale_max=2",
        "optimizer.max_grad_norm=0.25",
        "objective.ratio_form=linear",
        "objective.clip=0.01",
        "objective.log_ratio_clamp=3",
        "objective.log_ratio_max=4",
        "objective.loss_max=5",
        "objective.bound_pull=2",
        "objective.entropy=0",
    ]);
    assert_eq!(
        (calmer.train.steps, calmer.optimizer.learning_rate),
        (123_456, 1e-5)
    );
    check_continues(&calmer, &trained).unwrap();
    for set in [
        "env.num_envs=2048",
        "policy.action_bound=0",
        "optimizer.beta1=0.8",
        "objective.samples=3",
        "objective.method=ppo",
        "objective.target=data",
        "seed=3",
    ] {
        let error = check_continues(&reopened(&[set]), &trained).unwrap_err();
        let message = error.to_string();
        let (key, value) = set.split_once('=').unwrap();
        assert!(
            message.starts_with(&format!("`{key}` = ")) && message.contains("train.*"),
            "{message}"
        );
        assert!(
            message.replace('"', "").contains(&format!("= {value}")),
            "{message}"
        );
    }
    assert_eq!(
        from_documented(&documented(&trained), "checkpoint").unwrap(),
        trained
    );
}

/// A run recorded before precision was a setting was trained in f32, and resumes in f32.
#[test]
fn a_recorded_run_without_precision_is_f32() {
    let config = resolve("cheetah-run", None, None, &[], None).unwrap();
    let text: String = documented(&config)
        .lines()
        .filter(|line| !line.starts_with("precision"))
        .map(|line| line.to_owned() + "\n")
        .collect();
    let old = from_documented(&text, "checkpoint").unwrap();
    assert_eq!(old.train.precision, LearningPrecision::F32);
    assert_eq!(config.train.precision, LearningPrecision::Auto);
}
