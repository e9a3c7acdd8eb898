//! `fpo policy show`.

use super::{PolicyFile, read};
use crate::args;
use crate::failure::Failure;
use crate::format::count;
use crate::output::{print, print_json};
use fpo_files::{number, one_line, quoted};
use fpo_policy::{Model, Policy};
use serde_json::{Value, json};

/// Prints what a policy file holds.
pub(crate) fn show(args: &args::PolicyShow) -> Result<(), Failure> {
    let file = read(&args.of)?;
    let digest = blake3::hash(&file.bytes).to_hex().to_string();
    if args.json {
        print_json(&as_json(&file, &digest));
    } else {
        as_text(&file, &digest).iter().for_each(|line| print(line));
    }
    Ok(())
}

/// The parts of the observation in order: name, and the columns that it has.
fn parts(policy: &Policy) -> Vec<(&str, std::ops::Range<usize>)> {
    let mut first = 0;
    let parts = policy.observation().iter().map(|(name, length)| {
        first += length;
        (name.as_str(), first - length..first)
    });
    parts.collect()
}

/// Population standard deviation of a column of the observations seen.
fn std(policy: &Policy, column: usize) -> f64 {
    policy.normalizer().moments().variance(column).sqrt()
}

fn as_json(file: &PolicyFile, digest: &str) -> Value {
    let policy = &file.policy;
    let spec = policy.model().network().spec();
    let normalizer = policy.normalizer();
    let moments = normalizer.moments();
    let map = policy.action_map();
    let columns = 0..policy.observation_dim();
    let parts = parts(policy).into_iter();
    let parts = parts.map(|(name, columns)| json!({ "name": name, "size": columns.len() }));
    json!({
        "policy": fpo_files::as_text(&file.source),
        "bytes": file.bytes.len(),
        "blake3": digest,
        "task": policy.task(),
        "observation": parts.collect::<Vec<_>>(),
        "observation_size": policy.observation_dim(),
        "noise_size": policy.noise_dim(),
        "action_size": policy.action_dim(),
        "action_repeat": policy.adaptation().action_repeat,
        "parameters": policy.parameters().len(),
        "network": spec,
        "kind": kind(policy.model()),
        "normalizer": {
            "observations_seen": moments.count,
            "clip": normalizer.config().clip,
            "variance_floor": normalizer.config().variance_floor,
            "mean": moments.mean,
            "std": columns.map(|i| std(policy, i)).collect::<Vec<_>>(),
        },
        "action_map": {
            "squash": map.squashing(),
            "bound": map.bound(),
            "min": range(policy).map(|(low, _)| low).collect::<Vec<_>>(),
            "max": range(policy).map(|(_, high)| high).collect::<Vec<_>>(),
        },
    })
}

/// The settings of its kind.
fn kind(model: &Model) -> Value {
    match model {
        Model::Flow(flow) => json!({
            "flow": {
                "sampler": flow.sampler,
                "steps": flow.steps,
                "step_noise": flow.step_noise,
                "output_scale": flow.output_scale,
                "time_embedding": flow.embedding,
            }
        }),
        Model::Gaussian(gaussian) => json!({ "gaussian": { "std": gaussian.std } }),
    }
}

/// The range of each entry of an action.
fn range(policy: &Policy) -> impl Iterator<Item = (f32, f32)> {
    let map = policy.action_map();
    let entries = map.middle().iter().zip(map.half_range());
    entries.map(|(middle, half)| (middle - half, middle + half))
}

fn as_text(file: &PolicyFile, digest: &str) -> Vec<String> {
    let policy = &file.policy;
    let spec = policy.model().network().spec();
    let mut lines = vec![format!(
        "{}: {} bytes",
        quoted(&file.source),
        count(file.bytes.len() as u64)
    )];
    let mut add = |name: &str, text: String| lines.push(format!("  {name:13}{text}"));
    add("blake3", digest.to_owned());
    add("task", one_line(policy.task()));
    add("policy", sentence(policy.model()));
    let widths = [spec.input].into_iter();
    let widths = widths
        .chain(spec.hidden.iter().copied())
        .chain([spec.output]);
    let widths: Vec<String> = widths.map(|width| width.to_string()).collect();
    add(
        "network",
        format!(
            "{}, {}, {} parameters",
            widths.join(" → "),
            word(&spec.activation),
            count(policy.parameters().len() as u64)
        ),
    );
    add("noise", format!("{} numbers an action", policy.noise_dim()));
    let map = policy.action_map();
    let bound = match map.bound() {
        0.0 => String::new(),
        bound => format!("clipped to ±{}, then ", number(bound)),
    };
    add(
        "action",
        format!(
            "{} numbers: {bound}{}",
            policy.action_dim(),
            word(&map.squashing())
        ),
    );
    if policy.adaptation().action_repeat > 1 {
        let steps = policy.adaptation().action_repeat;
        add("", format!("each held for {steps} steps of the task"));
    }
    for (low, high) in range(policy) {
        add("", format!("{} to {}", number(low), number(high)));
    }
    let normalizer = policy.normalizer();
    let clip = match normalizer.config().clip {
        None => String::new(),
        Some(clip) => format!(", normalized ones clipped to ±{}", number(clip)),
    };
    add(
        "observation",
        format!(
            "{} numbers; statistics of {} observations{clip}",
            policy.observation_dim(),
            count(normalizer.moments().count)
        ),
    );
    let mean = &normalizer.moments().mean;
    for (name, columns) in parts(policy) {
        add("", format!("{} ({})", one_line(name), columns.len()));
        for i in columns {
            add(
                "",
                format!(
                    "  {i:<5}mean {:<12}std {}",
                    rounded(mean[i]),
                    rounded(std(policy, i))
                ),
            );
        }
    }
    lines
}

/// The kind of policy with its settings.
fn sentence(model: &Model) -> String {
    match model {
        Model::Flow(flow) => {
            let noise = match flow.step_noise {
                0.0 => String::new(),
                noise => format!(", each with noise of standard deviation {}", number(noise)),
            };
            format!(
                "flow: {} steps of {}{noise}; velocity is {} × output; time in {} numbers",
                flow.steps,
                word(&flow.sampler),
                number(flow.output_scale),
                flow.embedding
            )
        }
        Model::Gaussian(gaussian) => format!("Gaussian, std {}", word(&gaussian.std)),
    }
}

/// A statistic in five decimals, or with an exponent where these would say nothing.
fn rounded(x: f64) -> String {
    match x.abs() {
        size if size == 0.0 || (1e-4..1e7).contains(&size) => format!("{x:.5}"),
        _ => format!("{x:.5e}"),
    }
}

/// A choice as settings spell it.
fn word(choice: &impl serde::Serialize) -> String {
    match serde_json::to_value(choice) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}
