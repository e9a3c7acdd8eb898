//! What to do when something goes wrong.

use crate::config::{Config, Method, TrustRegion};

/// What can be done, given what the settings do already.
#[derive(Clone, Debug)]
pub(super) struct Advice {
    bounds_losses: bool,
    clips: bool,
    rolls_back: bool,
}

impl Advice {
    pub(super) fn new(config: &Config) -> Self {
        let method = config.objective.method;
        Self {
            bounds_losses: method != Method::Fpo || config.bounds_losses(),
            clips: method == Method::Fpo && config.objective.trust_region == TrustRegion::Ppo,
            rolls_back: config.train.rollback,
        }
    }

    pub(super) fn lower_rate(&self) -> &'static str {
        "lower optimizer.learning_rate (a resumed run can change it)"
    }

    pub(super) fn for_policy(&self) -> String {
        let mut advice = self.lower_rate().to_owned();
        if !self.bounds_losses {
            advice += ", bound losses with objective.loss_max=20";
        }
        if self.clips {
            advice += ", or begin a new run with objective.trust_region=\"aspo\", which pulls bad actions' losses back";
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
    fn advice_names_what_the_settings_lack() {
        let advice = |sets: &[&str]| Advice::new(&config(sets)).for_policy();
        assert_eq!(
            advice(&[]),
            "lower optimizer.learning_rate (a resumed run can change it)"
        );
        assert!(advice(&["objective.loss_max=0"]).contains("objective.loss_max=20"));
        assert!(advice(&["objective.trust_region=ppo"]).contains("aspo"));
        assert!(!advice(&["objective.method=ppo"]).contains("aspo"));
    }
}
