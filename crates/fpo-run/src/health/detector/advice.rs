//! Advice for a run that goes wrong.

use crate::config::{Config, Method, RatioForm, TrustRegion};

/// The possible countermeasures, given the settings.
#[derive(Clone, Debug)]
pub(super) struct Advice {
    /// Settings that would stabilize a flow and are not set yet, as `key=value`.
    missing: Vec<&'static str>,
    clips: bool,
    rolls_back: bool,
}

impl Advice {
    pub(super) fn new(config: &Config) -> Self {
        let (objective, parts) = (&config.objective, config.parts());
        let fpo = objective.method == Method::Fpo;
        let clips = fpo && objective.trust_region == TrustRegion::Ppo;
        let exp = objective.ratio_form == RatioForm::Exp;
        let lacks = [
            // The gradient of an exponential ratio vanishes as a loss grows, and is zero beyond a
            // bound on losses.
            ("objective.ratio_form=linear", exp),
            ("objective.loss_max=0", parts.objective.bounds_losses()),
            (
                "objective.bound_pull=1",
                parts.pull.is_some_and(|pull| pull.weight == 0.0),
            ),
            ("optimizer.max_kl=0.01", config.optimizer.max_kl == 0.0),
        ];
        let missing = lacks.into_iter().filter(|(_, lacks)| fpo && *lacks);
        Self {
            missing: missing.map(|(set, _)| set).collect(),
            clips,
            rolls_back: config.train.rollback,
        }
    }

    pub(super) fn for_policy(&self) -> String {
        let mut advice = match &self.missing[..] {
            [] => "lower optimizer.learning_rate (a resumed run can change it)".to_owned(),
            missing => format!(
                "set {}, or lower optimizer.learning_rate (a resumed run can change all of them)",
                missing.join(" and ")
            ),
        };
        if self.clips {
            advice += ", or start a new run with objective.trust_region=\"aspo\", which pulls bad \
                actions' losses back";
        }
        advice
    }

    pub(super) fn after_collapse(&self) -> String {
        if self.rolls_back {
            return self.for_policy();
        }
        format!(
            "the best checkpoint is kept; {}, or let train.rollback=true go back to it",
            self.for_policy()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::health::detector::tests::config;

    #[test]
    fn advice_lists_the_missing_settings() {
        let advice = |sets: &[&str]| Advice::new(&config(sets)).for_policy();
        assert_eq!(
            advice(&[]),
            "lower optimizer.learning_rate (a resumed run can change it)"
        );
        assert_eq!(
            advice(&["objective.bound_pull=0", "optimizer.max_kl=0"]),
            "set objective.bound_pull=1 and optimizer.max_kl=0.01, or lower \
            optimizer.learning_rate (a resumed run can change all of them)"
        );
        assert!(advice(&["objective.ratio_form=exp"]).contains("objective.ratio_form=linear"));
        let published = advice(&["objective.ratio_form=exp", "objective.loss_max=20"]);
        assert!(
            published.contains("objective.ratio_form=linear and objective.loss_max=0,"),
            "{published}"
        );
        // The penalty needs a bound on actions.
        assert!(
            !advice(&["objective.bound_pull=0", "policy.action_bound=0"]).contains("bound_pull")
        );
        assert!(advice(&["objective.trust_region=ppo"]).contains("aspo"));
        assert!(!advice(&["objective.method=ppo"]).contains("aspo"));
    }
}
