//! The trainer as a whole, on a task small enough to be learned in a moment.

use crate::PUBLISHED_FPOPP;
use crate::toy::Toy;
use fpo_env::{StepEnd, Task};
use fpo_learn::evaluate::{Noise, evaluate, play};
use fpo_learn::rollout::Quantity;
use fpo_learn::trainer::{Row, TrainError, Trainer, part_digests};
use fpo_policy::{Policy, PolicyError};
use fpo_run::config::{Config, resolve};
use safetensors::SafeTensors;
use std::ops::ControlFlow;
use std::sync::Arc;

/// All methods, with the options that change what is stored or computed.
const METHODS: [&[&str]; 20] = [
    &[],
    &PUBLISHED_FPOPP,
    &["optimizer.max_kl=1e-3"],
    &["objective.huber_delta=0.5"],
    &["optimizer.target_kl=0.01"],
    &["train.ema_decay=0.5", "train.ema_after=2"],
    &["policy.action_noise=0.05"],
    &["objective.knn_entropy=0.01"],
    &["objective.method=ppo", "objective.entropy=0.001"],
    &["objective.method=ppo", "policy.std=state_dependent"],
    &["objective.method=dppo"],
    &["objective.method=dppo", "objective.final_steps=4"],
    &["objective.method=awfm"],
    &["objective.method=awfm", "objective.weight=shift"],
    &[
        "objective.method=awfm",
        "objective.weight=softplus",
        "objective.temperature=0.3",
    ],
    &[
        "objective.method=awfm",
        "objective.weight=softmax",
        "policy.action_noise=0.1",
    ],
    &["critic.head=hl_gauss"],
    &[
        "objective.method=qfm",
        "optimizer.max_kl=0",
        "policy.action_noise=0.1",
    ],
    &[
        "objective.method=qfm",
        "optimizer.max_kl=0",
        "policy.final_noise_fraction=0.3",
        "policy.squash=clip",
        "policy.action_bound=1",
        "policy.action_noise=0.1",
        "critic.head=hl_gauss",
    ],
    &[
        "objective.method=reppo",
        "objective.entropy=0.1",
        "optimizer.max_kl=0",
        "optimizer.policy_every=2",
    ],
];

fn config_of(method: &[&str]) -> Config {
    let sets = [
        "env.num_envs=32",
        "env.num_steps=16",
        "policy.hidden=[32,32]",
        "critic.hidden=[32,32]",
        "optimizer.learning_rate=2e-3",
        "optimizer.minibatches=8",
        "eval.episodes=32",
        "train.steps=60000",
    ];
    let sets: Vec<String> = sets.iter().chain(method).map(|s| s.to_string()).collect();
    resolve("toy", Some("fast"), None, &sets, Some(1)).unwrap()
}

fn trainer_of(method: &[&str]) -> Trainer {
    Trainer::new(&config_of(method), Arc::new(Toy::new(20)), 2).unwrap()
}

fn config() -> Config {
    config_of(&[])
}

fn trainer() -> Trainer {
    trainer_of(&[])
}

#[test]
fn every_method_learns_to_hit_its_target() {
    for method in METHODS {
        let mut trainer = trainer_of(method);
        let before = trainer.evaluate().unwrap();
        while trainer.iteration() < trainer.total_iterations() {
            trainer.iterate().unwrap();
        }
        let after = trainer.evaluate().unwrap();
        // A perfect policy has 20; one that ignores the target 13⅓ at best.
        assert!(before.random_noise.mean < 10.0, "{method:?}: {before:?}");
        assert!(after.random_noise.mean > 12.0, "{method:?}: {after:?}");
        assert!(after.zero_noise.mean > 19.0, "{method:?}: {after:?}");
    }
}

fn policy_parameters(trainer: &Trainer) -> Vec<(String, Vec<u8>)> {
    let state = trainer.state().unwrap();
    let tensors = SafeTensors::deserialize(&state).unwrap();
    let of_policy = |name: &&str| name.starts_with("policy.");
    let mut names: Vec<_> = tensors
        .names()
        .into_iter()
        .filter(of_policy)
        .map(str::to_owned)
        .collect();
    names.sort();
    assert!(names.len() > 5, "{:?}", tensors.names());
    let bytes = |name: String| (name.clone(), tensors.tensor(&name).unwrap().data().to_vec());
    names.into_iter().map(bytes).collect()
}

/// Without rewards, advantages are nothing but errors of the critic; normalization scales them up,
/// and the policy would learn from noise.
#[test]
fn a_policy_waits_for_a_reward() {
    for method in [
        ["objective.method=fpo", "advantage.recompute=per_iteration"],
        ["objective.method=ppo", "advantage.recompute=per_iteration"],
        ["objective.method=dppo", "advantage.recompute=per_iteration"],
        ["objective.method=fpo", "advantage.recompute=per_minibatch"],
        ["objective.method=ppo", "advantage.recompute=per_minibatch"],
        ["objective.method=qfm", "objective.anchor=1"],
        ["objective.method=reppo", "critic.head=hl_gauss"],
    ] {
        let parameters = |wait: &str, silent: u32| {
            let [method, recompute] = method;
            let sets = [
                method,
                recompute,
                "objective.bound_pull=0",
                "objective.entropy=0",
                wait,
            ];
            let task = Arc::new(Toy::silent(1000, silent));
            let mut trainer = Trainer::new(&config_of(&sets), task, 2).unwrap();
            let before = policy_parameters(&trainer);
            (0..5).for_each(|_| drop(trainer.iterate().unwrap()));
            (before, policy_parameters(&trainer))
        };
        let (before, after) = parameters("advantage.wait_for_reward=true", 1000);
        assert!(before == after, "{method:?} learned without a reward");
        let (before, after) = parameters("advantage.wait_for_reward=false", 1000);
        assert!(before != after, "{method:?}");
        // First episodes have random lengths but begin at step 0: rewards appear in the third
        // iteration.
        let (before, after) = parameters("advantage.wait_for_reward=true", 40);
        assert!(before != after, "{method:?} never starts to learn");
    }
}

/// The scale of the gradient of Q belongs to the critic that a rollback takes away.
#[test]
fn a_rollback_to_the_beginning_forgets_the_slope_of_q() {
    let mut trainer = trainer_of(&["objective.method=qfm", "optimizer.max_kl=0"]);
    let slope = |trainer: &Trainer| {
        let state = trainer.state().unwrap();
        let (_, header) = SafeTensors::read_metadata(&state).unwrap();
        let counters = &header.metadata().as_ref().unwrap()["fpo_state"];
        let counters: serde_json::Value = serde_json::from_str(counters).unwrap();
        counters["q_slope"].as_f64()
    };
    let begun = trainer.state().unwrap();
    assert_eq!(slope(&trainer), None);
    (0..3).for_each(|_| drop(trainer.iterate().unwrap()));
    let (middle, at_middle) = (trainer.state().unwrap(), slope(&trainer));
    assert!(at_middle.unwrap() > 0.0);
    (0..3).for_each(|_| drop(trainer.iterate().unwrap()));
    assert_ne!(slope(&trainer), at_middle);
    trainer.roll_back(Some(&middle), 6).unwrap();
    assert_eq!(slope(&trainer), at_middle);
    trainer.roll_back(None, 6).unwrap();
    assert_eq!(slope(&trainer), None);
    assert!(trainer.state().unwrap() != begun, "it counts iterations");
    let critic = &Trainer::restore(trainer.config(), Arc::new(Toy::new(20)), 1, &begun).unwrap();
    let critic = &critic.networks().critic;
    assert_eq!(critic.parameters, trainer.networks().critic.parameters);
}

/// On one thread without interruption, and on two with a restored state half-way.
#[test]
fn every_method_resumes_bit_for_bit() {
    for method in METHODS {
        let mut straight = trainer_of(method);
        for _ in 0..3 {
            straight.iterate().unwrap();
        }
        let state = straight.state().unwrap();
        let mut resumed =
            Trainer::restore(&config_of(method), Arc::new(Toy::new(20)), 1, &state).unwrap();
        for _ in 0..3 {
            assert_eq!(
                straight.iterate().unwrap().row.values,
                resumed.iterate().unwrap().row.values
            );
        }
        assert!(
            straight.state().unwrap() == resumed.state().unwrap(),
            "{method:?}"
        );
    }
}

/// A learning rate that moves the policy too far decreases, one that hardly moves it increases, and
/// the metric shows it.
#[test]
fn the_learning_rate_adapts_to_the_measured_kl() {
    let rate = |start: &str| {
        let fixed = [
            "optimizer.target_kl=1e-6",
            "optimizer.final_lr_fraction=1",
            start,
        ];
        let mut trainer = trainer_of(&fixed);
        let rates = (0..8).map(|_| metric(&trainer.iterate().unwrap().row, "learning_rate"));
        rates.collect::<Vec<_>>()
    };
    let (high, low) = (
        rate("optimizer.learning_rate=1e-2"),
        rate("optimizer.learning_rate=1e-6"),
    );
    assert!(
        (high[0] - 1e-2).abs() < 1e-8 && high[7] < 0.5e-2,
        "{high:?}"
    );
    assert!((low[0] - 1e-6).abs() < 1e-12 && low[7] > 9e-6, "{low:?}");
}

/// Epochs end once the policy has moved by `max_kl`: after one step with a tiny bound, never with a
/// huge one; and the metric reports the distance for every kind of policy.
#[test]
fn epochs_end_once_the_policy_has_moved_by_max_kl() {
    for method in ["fpo", "ppo", "dppo"] {
        let method = format!("objective.method={method}");
        let steps = |limit: f64| {
            let limit_set = format!("optimizer.max_kl={limit}");
            let mut trainer = trainer_of(&[&method, &limit_set, "optimizer.epochs=3"]);
            let row = trainer.iterate().unwrap().row;
            assert!(
                metric(&row, "approx_kl").is_finite() && metric(&row, "approx_kl") > 0.0,
                "{row:?}"
            );
            (metric(&row, "gradient_steps"), metric(&row, "approx_kl"))
        };
        let (free, far) = steps(0.0);
        assert_eq!(free, 24.0, "3 epochs of 8 minibatches");
        assert_eq!(
            steps(1e-12).0,
            1.0,
            "no ratio has moved before the first step"
        );
        // The steps before the bound are the same, so the epochs end between the two extremes.
        let (some, moved) = steps(0.5 * far);
        assert!(
            (1.0..24.0).contains(&some) && moved > 0.5 * far,
            "{method}: {some}, {moved} of {far}"
        );
    }
}

fn metric(row: &Row, name: &str) -> f64 {
    row.values.iter().find(|(n, _)| *n == name).unwrap().1
}

/// From its first iteration on, averaging changes the exported policy; it never changes the
/// training.
#[test]
fn the_average_is_exported_and_the_policy_acts() {
    let settings = ["train.ema_decay=0.75", "train.ema_after=2"];
    let without = ["train.ema_decay=0"];
    let (mut plain, mut averaged) = (trainer_of(&without), trainer_of(&settings));
    let exported = |trainer: &Trainer| parameters(&trainer.policy());
    let mut expected: Vec<f32> = Vec::new();
    for iteration in 1..=4 {
        let [p, a] = [&mut plain, &mut averaged].map(|t| {
            let values = t.iterate().unwrap().row.values;
            values
                .into_iter()
                .map(|(_, x)| x.to_bits())
                .collect::<Vec<_>>()
        });
        assert_eq!(p, a);
        let live = exported(&plain);
        if iteration <= 2 {
            expected = live;
        } else {
            let moved = |(e, l): (&mut f32, &f32)| *e += 0.25 * (l - *e);
            expected.iter_mut().zip(&live).for_each(moved);
        }
        assert_eq!(exported(&averaged), expected, "after iteration {iteration}");
    }
    assert_ne!(exported(&averaged), exported(&plain));
    // Both are in the state, and averaging can begin after restoring a state without an average.
    let state = averaged.state().unwrap();
    let restore = |config: &Config, state: &[u8]| {
        Trainer::restore(config, Arc::new(Toy::new(20)), 1, state).unwrap()
    };
    assert_eq!(exported(&restore(&config_of(&settings), &state)), expected);
    assert_eq!(
        exported(&restore(&config_of(&without), &state)),
        exported(&plain)
    );
    let late = restore(&config_of(&settings), &plain.state().unwrap());
    assert_eq!(exported(&late), exported(&plain));
}

/// The numbers of a policy's network, from its file.
fn parameters(policy: &Policy) -> Vec<f32> {
    let bytes = policy.save().unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors: Vec<_> = file
        .tensors()
        .into_iter()
        .filter(|(name, _)| name.starts_with("policy."))
        .collect();
    tensors.sort_by(|a, b| a.0.cmp(&b.0));
    let numbers = tensors
        .iter()
        .flat_map(|(_, t)| t.data().as_chunks::<4>().0);
    numbers.map(|b| f32::from_le_bytes(*b)).collect()
}

/// The same training with a large bonus ends with a wider policy.
#[test]
fn an_entropy_bonus_keeps_a_policy_wide() {
    let std = |entropy: &str| {
        let mut trainer = trainer_of(&["objective.method=ppo", entropy]);
        let mut last = None;
        while trainer.iteration() < 40 {
            last = Some(trainer.iterate().unwrap().row);
        }
        metric(&last.unwrap(), "policy_std")
    };
    let (without, with) = (std("objective.entropy=0"), std("objective.entropy=0.3"));
    assert!(with > 1.2 * without, "{without} without, {with} with");
}

#[test]
fn states_of_other_runs_are_refused() {
    let state = trainer().state().unwrap();
    let restore = |config: &Config| {
        Trainer::restore(config, Arc::new(Toy::new(20)), 1, &state)
            .err()
            .unwrap()
    };
    for change in [
        |c: &mut Config| c.seed = 2,
        |c: &mut Config| c.task = "other".into(),
        |c: &mut Config| c.env.num_envs = 16,
        |c: &mut Config| c.env.num_envs = 64,
        |c: &mut Config| c.policy.hidden = vec![32, 31],
        |c: &mut Config| c.critic.hidden = vec![32],
    ] {
        let mut config = config();
        change(&mut config);
        assert!(matches!(restore(&config), TrainError::State(_)));
    }
    for cut in (0..state.len()).step_by(997) {
        assert!(Trainer::restore(&config(), Arc::new(Toy::new(20)), 1, &state[..cut]).is_err());
    }
}

#[test]
fn a_state_that_lacks_a_tensor_of_the_environments_is_refused() {
    let state = trainer().state().unwrap();
    let (_, header) = SafeTensors::read_metadata(&state).unwrap();
    let tensors = SafeTensors::deserialize(&state).unwrap();
    for missing in ["environments", "environment_sizes"] {
        let others = tensors.tensors().into_iter();
        let others = others.filter(|(name, _)| name != missing);
        let damaged = safetensors::serialize(others, header.metadata().clone()).unwrap();
        let task = Arc::new(Toy::new(20));
        let refused = Trainer::restore(&config(), task, 1, &damaged).err();
        let Some(TrainError::State(why)) = refused else {
            panic!("{missing}: {refused:?}")
        };
        assert!(why.contains(missing), "{why}");
    }
}

/// Environments that cannot save their state begin a new episode, deterministically; everything
/// else is restored.
#[test]
fn without_states_of_environments_everything_else_resumes_exactly() {
    let mut trainer = Trainer::new(&config(), Arc::new(Toy::stateless(20)), 2).unwrap();
    for _ in 0..3 {
        trainer.iterate().unwrap();
    }
    assert_eq!(trainer.restarted_episodes(), 0);
    let state = trainer.state().unwrap();
    let [mut a, mut b] = [1, 3].map(|threads| {
        let task = Arc::new(Toy::stateless(20));
        Trainer::restore(&config(), task, threads, &state).unwrap()
    });
    assert_eq!((a.restarted_episodes(), b.restarted_episodes()), (32, 32));
    assert!(a.state().unwrap() == b.state().unwrap());
    assert_eq!(
        a.networks().policy.parameters,
        trainer.networks().policy.parameters
    );
    let parts = |state: &[u8]| part_digests(state).unwrap();
    let (before, after) = (parts(&state), parts(&a.state().unwrap()));
    assert!(before.keys().eq(after.keys()) && before.contains_key("environment 31"));
    for (part, digest) in &before {
        let environment = part.starts_with("environment ");
        assert_eq!(*digest == after[part], !environment, "{part}");
    }
    let [row_a, row_b] = [&mut a, &mut b].map(|trainer| trainer.iterate().unwrap().row.values);
    // Compared as text: some values are NaN.
    assert_eq!(format!("{row_a:?}"), format!("{row_b:?}"));
    assert!(a.state().unwrap() == b.state().unwrap());

    // So does a rollback; one to the beginning restarts all environments.
    a.roll_back(Some(&state), 4).unwrap();
    assert_eq!(a.restarted_episodes(), 32);
    a.roll_back(None, 4).unwrap();
    assert_eq!(a.restarted_episodes(), 0);
    // Environments that save their state are not counted.
    let plain = self::trainer();
    let again = Trainer::restore(
        &config(),
        Arc::new(Toy::new(20)),
        1,
        &plain.state().unwrap(),
    );
    assert_eq!(again.unwrap().restarted_episodes(), 0);
}

#[test]
fn a_task_without_a_step_limit_can_be_trained_on_and_evaluated() {
    for end in [StepEnd::Truncated, StepEnd::Terminated] {
        let mut trainer = Trainer::new(&config(), Arc::new(Toy::ending(20, end)), 2).unwrap();
        while trainer.iteration() < trainer.total_iterations() {
            trainer.iterate().unwrap();
        }
        let after = trainer.evaluate().unwrap();
        assert!(after.zero_noise.mean > 19.0, "{end:?}: {after:?}");
    }
}

#[test]
fn an_evaluation_that_would_not_end_is_an_error() {
    let task = Arc::new(Toy::ending(20, StepEnd::Running));
    let config = crate::tiny::config("toy", &["eval.episodes=2"]);
    let trainer = Trainer::new(&config, task.clone(), 1).unwrap();
    let expected = "episode 0 of the evaluation had not ended after 1000000 steps, \
                    and `toy` has no step limit: its environment must end its episodes, \
                    or the task must set `EnvSpec::step_limit`";
    assert_eq!(trainer.evaluate().unwrap_err().to_string(), expected);
    let mut env = task.make().unwrap();
    let played = play(
        &trainer.policy(),
        env.as_mut(),
        0,
        0,
        Noise::Zero,
        |_, _, _| ControlFlow::<()>::Continue(()),
    );
    assert_eq!(played.unwrap_err().to_string(), expected);
}

#[test]
fn play_runs_the_episode_that_evaluation_ran() {
    let task = Toy::new(20);
    let policy = trainer().policy();
    let returns: Vec<f64> = (0..5)
        .map(|episode| {
            let mut env = task.make().unwrap();
            play(
                &policy,
                env.as_mut(),
                4,
                episode,
                Noise::Random,
                |_, _, _| ControlFlow::<()>::Continue(()),
            )
            .unwrap()
            .0
        })
        .collect();
    let evaluated = evaluate(&policy, &task, 4, 5, Noise::Random).unwrap();
    let mean = returns.iter().sum::<f64>() / 5.0;
    assert!(
        (mean - evaluated.mean).abs() < 1e-9,
        "{returns:?} against {evaluated:?}"
    );
    assert_eq!(
        evaluated.max,
        returns.iter().copied().fold(f64::MIN, f64::max)
    );
}

#[test]
fn a_saved_policy_acts_the_same() {
    for method in METHODS {
        let policy = trainer_of(method).policy();
        let copy = Policy::load(&policy.save().unwrap()).unwrap();
        let noise: Vec<f32> = (0..2 * policy.noise_dim())
            .map(|i| (i as f32).sin())
            .collect();
        let [a, b] = [&policy, &copy].map(|policy| {
            let mut actions = [f32::NAN; 2];
            policy
                .actor(2)
                .act(&[0.1, 0.2, 0.3, 0.4], &noise, &mut actions)
                .unwrap();
            actions
        });
        assert_eq!(a, b);
        assert!(a[0] != a[1]);
        assert_eq!(copy.save().unwrap(), policy.save().unwrap());
    }
}

/// Format 1 had no kinds: every policy was a flow.
#[test]
fn policy_files_of_the_first_format_are_flows() {
    let file = trainer().policy().save().unwrap();
    let old = with_header(&file, r#"\"format\":2"#, r#"\"format\":1"#);
    let old = with_header(&old, r#"\"kind\":\"flow\","#, "");
    let old = with_header(&old, r#",\"step_noise\":0.0"#, "");
    assert!(Policy::load(&old).unwrap().save().unwrap() == file);
    assert!(Policy::load(&with_header(&file, r#"\"kind\":\"flow\","#, "")).is_err());
}

/// The policy file with one text in its header replaced by another of any length.
fn with_header(policy: &[u8], from: &str, to: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(policy[..8].try_into().unwrap()) as usize;
    let header = std::str::from_utf8(&policy[8..8 + length]).unwrap();
    assert!(header.contains(from), "{header}");
    let header = header.replacen(from, to, 1);
    [
        &(header.len() as u64).to_le_bytes(),
        header.as_bytes(),
        &policy[8 + length..],
    ]
    .concat()
}

#[test]
fn hostile_policies_are_refused() {
    let file = trainer().policy().save().unwrap();
    assert!(
        Policy::load(&with_header(&file, "toy", "toy2")).is_ok(),
        "the replacement itself does no damage"
    );
    for (from, to) in [
        (r#"\"input\":11"#, r#"\"input\":12"#),
        (
            r#"\"hidden\":[32,32]"#,
            r#"\"hidden\":[4000000000,4000000000]"#,
        ),
        (r#"\"hidden\":[32,32]"#, r#"\"hidden\":[32,32,32]"#),
        (r#"\"hidden\":[32,32]"#, r#"\"hidden\":[0]"#),
        (r#"\"output\":1"#, r#"\"output\":2"#),
        (r#"\"time_embedding\":8"#, r#"\"time_embedding\":7"#),
        (r#"\"flow_steps\":10"#, r#"\"flow_steps\":0"#),
        (r#"\"step_noise\":0.0"#, r#"\"step_noise\":-0.1"#),
        (r#"\"step_noise\":0.0"#, r#"\"step_noise\":1e300"#),
        (r#"\"flow_steps\":10"#, r#"\"flow_steps\":4000000000"#),
        (r#"[\"target\",1]"#, r#"[\"target\",18446744073709551615]"#),
        (r#"[\"target\",1]"#, r#"[\"target\",-1]"#),
        (r#"\"middle\":[0.0]"#, r#"\"middle\":[]"#),
        (r#"\"middle\":[0.0]"#, r#"\"middle\":[1e300]"#),
        (r#"\"format\":2"#, r#"\"format\":3"#),
        (r#"\"kind\":\"flow\""#, r#"\"kind\":\"gaussian\""#),
        (r#"\"kind\":\"flow\""#, r#"\"kind\":\"other\""#),
        ("fpo_policy", "something_else"),
        ("policy.0.weight", "policy.7.weight"),
        ("normalizer.mean", "normalizer.mode"),
    ] {
        assert!(
            Policy::load(&with_header(&file, from, to)).is_err(),
            "{from} → {to}"
        );
    }
    assert!(matches!(
        Policy::load(&with_header(&file, r#"\"format\":2"#, r#"\"format\":3"#)),
        Err(PolicyError::Format(3))
    ));
    for cut in 0..file.len().min(2000) {
        assert!(Policy::load(&file[..cut]).is_err());
    }
    let mut poisoned = file.clone();
    let end = poisoned.len();
    poisoned[end - 4..].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(
        Policy::load(&poisoned).is_err(),
        "a parameter that is not a number"
    );
}

#[test]
fn hostile_gaussian_policies_are_refused() {
    let file = trainer_of(&["objective.method=ppo"])
        .policy()
        .save()
        .unwrap();
    for (from, to) in [
        (r#"\"input\":2"#, r#"\"input\":3"#),
        (r#"\"output\":2"#, r#"\"output\":1"#),
        (r#"\"kind\":\"gaussian\""#, r#"\"kind\":\"flow\""#),
        (r#"\"std\":\"state_independent\""#, r#"\"std\":\"none\""#),
        (r#"\"std\":\"state_independent\","#, ""),
        (r#"\"format\":2"#, r#"\"format\":1"#),
        (
            r#"\"middle\":[0.0],\"half_range\":[2.0]"#,
            r#"\"middle\":[],\"half_range\":[]"#,
        ),
    ] {
        assert!(
            Policy::load(&with_header(&file, from, to)).is_err(),
            "{from} → {to}"
        );
    }
    let poisoned = with_header(
        &file,
        r#"\"half_range\":[2.0]"#,
        r#"\"half_range\":[1e300]"#,
    );
    assert!(Policy::load(&poisoned).is_err());
}

/// What a reset shows is the task's fault, too, not the policy's.
#[test]
fn a_first_observation_that_is_not_finite_is_an_observations_fault() {
    let mut trainer = Trainer::new(&config(), Arc::new(Toy::blind(20)), 1).unwrap();
    let error = trainer.iterate().unwrap_err();
    let TrainError::Acting(fault) = &error else {
        panic!("{error}");
    };
    assert_eq!((fault.what, fault.step), (Quantity::Observation, 0));
    assert!(!error.is_divergence());
}
