//! Notes for readers of the tables.

use crate::results::Results;
use crate::stats::{CURVE_RESAMPLES, RESAMPLES};
use fpo_files::count;

/// Notes on how the values are computed.
pub fn notes(results: &Results) -> Vec<String> {
    let suite = &results.suite;
    let mut notes = vec![
        "A run's result is the evaluation of its final policy, not of its best: whole episodes \
        from new initial states, once with actions from \
         zero noise and once from random noise. A run that failed counts with its last evaluation."
            .to_owned(),
        match suite.score {
            Some(range) => format!(
                "A score is (return − {0}) / ({1} − {0}).",
                subtracted(range.min),
                range.max
            ),
            None => "Aggregates are of raw returns: the suite gives no range of scores.".to_owned(),
        },
        format!(
            "The interquartile mean leaves out the lowest and the highest quarter of all runs. \
            Intervals are 95 % percentile intervals of {} \
             bootstrap resamples ({} for curves) that resample the seeds of each task, with a \
             fixed seed. They speak of other seeds of these tasks, \
             not of other tasks.",
            count(RESAMPLES as u64),
            count(CURVE_RESAMPLES as u64)
        ),
        "Wall time is the sum of the iterations' times, without evaluations. In curves a run's \
        score is linear between evaluations and stays \
         after its last."
            .to_owned(),
    ];
    if suite.seeds.len() < 5 {
        notes.push(format!(
            "With {} seed{} a task there are few distinct resamples, and intervals tend to be too \
            narrow.",
            suite.seeds.len(),
            if suite.seeds.len() == 1 { "" } else { "s" }
        ));
    }
    let (shared, all) = (results.shared_tasks().len(), suite.tasks.len());
    if shared < all {
        notes.push(format!(
            "Aggregates and improvements are over the {shared} of {all} tasks on which every \
            method has a result."
        ));
    }
    notes
}

/// A number after a minus sign.
fn subtracted(x: f64) -> String {
    if x < 0.0 {
        format!("({x})")
    } else {
        x.to_string()
    }
}
