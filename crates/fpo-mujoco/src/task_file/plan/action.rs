//! How actions become controls.

use super::keyframe;
use crate::model::Model;
use crate::task_file::description::{Action, Default};
use crate::task_file::fault::Fault;
use crate::task_file::quantities::World;
use crate::task_file::reader::Located;
use fpo_files::number;

/// How one entry of an action becomes a control.
#[derive(Clone, Debug)]
pub(crate) struct Actuation {
    pub(crate) actuator: usize,
    pub(crate) default: f64,
    pub(crate) scale: f64,
    /// Bounds of the control.
    pub(crate) low: f64,
    pub(crate) high: f64,
}

/// One of some numbers for all actions, or one for each.
fn spread<T: Copy>(values: &[T], actions: usize, at: usize, key: &str) -> Result<Vec<T>, Fault> {
    match values {
        [one] => Ok(vec![*one; actions]),
        many if many.len() == actions => Ok(many.to_vec()),
        many => {
            let why = format!("it has {} entries for {actions} actuators", many.len());
            Err(Fault::new(at, key, why))
        }
    }
}

/// The controls that actions become.
pub(super) fn actuations(action: &Action, model: &Model) -> Result<Vec<Actuation>, Fault> {
    let names = World::new(model);
    let mut chosen: Vec<usize> = Vec::new();
    for pattern in &action.actuators {
        let found = names.find("actuator", &pattern.is);
        let fault = |why| Fault::new(pattern.at, "action.actuators", why);
        for actuator in found.map_err(fault)? {
            if chosen.contains(&actuator) {
                let why = format!("`{}` names an actuator twice", pattern.is);
                return Err(fault(why));
            }
            chosen.push(actuator);
        }
    }
    if action.actuators.is_empty() {
        chosen = (0..model.controls()).collect();
    }
    let defaults = match &action.default {
        None => vec![0.0; chosen.len()],
        Some(Located { is, at }) => match is {
            Default::Keyframe(name) => {
                let key = keyframe(model, name, *at, "action.default")?;
                let controls = model.key_controls(key);
                chosen.iter().map(|actuator| controls[*actuator]).collect()
            }
            Default::Numbers(numbers) => spread(numbers, chosen.len(), *at, "action.default")?,
        },
    };
    let scales = spread(
        &action.scale.is,
        chosen.len(),
        action.scale.at,
        "action.scale",
    )?;
    let rows = chosen.into_iter().zip(defaults).zip(scales);
    let rows = rows.map(|((actuator, default), scale)| {
        let limited = model.control_limited()[actuator];
        let range = &model.control_ranges()[2 * actuator..][..2];
        let (low, high) = match limited {
            true => (range[0], range[1]),
            false => (f64::NEG_INFINITY, f64::INFINITY),
        };
        let name = &names.actuators[actuator];
        // Nor if one of them is no number.
        let ordered = low < high;
        if !ordered {
            let (low, high) = (number(low), number(high));
            let why = format!("the ctrlrange of the actuator `{name}` is {low} … {high}");
            return Err(Fault::new(action.at, "action", why));
        }
        if !action.offset && action.range.is_none() && !limited {
            let why = format!(
                "the actuator `{name}` has no ctrlrange; give it one in the model, or `range` here"
            );
            return Err(Fault::new(action.at, "action", why));
        }
        Ok(Actuation {
            actuator,
            default,
            scale,
            low,
            high,
        })
    });
    let rows = rows.collect::<Result<Vec<_>, _>>()?;
    if let Some(range) = &action.range {
        spread(&range.is, rows.len(), range.at, "action.range")?;
    }
    Ok(rows)
}

/// Lower (0) or upper (1) bounds of actions.
pub(super) fn bounds(action: &Action, actuations: &[Actuation], side: usize) -> Vec<f32> {
    let own = action.range.as_ref().map(|range| &range.is[..]);
    let rows = actuations.iter().enumerate();
    let bounds = rows.map(|(i, actuation)| match own {
        Some([one]) => one[side],
        Some(many) => many[i][side],
        None if action.offset => [-1.0, 1.0][side],
        None => [actuation.low, actuation.high][side],
    });
    bounds.map(|bound| bound as f32).collect()
}
