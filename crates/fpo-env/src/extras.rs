//! What environments report besides rewards: reward terms and metrics, by name.

/// Sums of named numbers, and how often each was reported.
///
/// A name may be reported in some steps only (a success at the end of an episode): its mean is over
/// the reports. Names allocate once, when they are new.
#[derive(Clone, Debug, Default)]
pub struct Extras {
    entries: Vec<Extra>,
    /// The entry after the one that was reported last: names mostly come in the same order.
    next: usize,
}

#[derive(Clone, Debug)]
struct Extra {
    name: String,
    sum: f64,
    count: u64,
}

impl Extras {
    /// Reports `value` under `name`, as in `reward/forward` or `success`.
    pub fn add(&mut self, name: &str, value: f32) {
        let entry = self.entry(name);
        entry.sum += f64::from(value);
        entry.count += 1;
    }

    /// Adds what another has seen.
    pub fn merge(&mut self, other: &Self) {
        for (name, sum, count) in other.sums() {
            self.add_sum(name, sum, count);
        }
    }

    /// Each name, the sum of its values, and how often it was reported.
    pub fn sums(&self) -> impl ExactSizeIterator<Item = (&str, f64, u64)> {
        let entries = self.entries.iter();
        entries.map(|entry| (entry.name.as_str(), entry.sum, entry.count))
    }

    /// Adds `count` reports under `name` whose values sum to `sum`.
    pub fn add_sum(&mut self, name: &str, sum: f64, count: u64) {
        let entry = self.entry(name);
        entry.sum += sum;
        entry.count += count;
    }

    /// Forgets all numbers; names keep their memory.
    pub fn clear(&mut self) {
        for entry in &mut self.entries {
            (entry.sum, entry.count) = (0.0, 0);
        }
    }

    /// Mean of each name that was reported since [`Extras::clear`], sorted by name: their order
    /// does not depend on what was reported before.
    pub fn means(&self) -> Vec<(String, f64)> {
        let reported = self.entries.iter().filter(|entry| entry.count > 0);
        let mut means: Vec<_> = reported
            .map(|entry| (entry.name.clone(), entry.sum / entry.count as f64))
            .collect();
        means.sort_by(|a, b| a.0.cmp(&b.0));
        means
    }

    fn entry(&mut self, name: &str) -> &mut Extra {
        let expected = self.entries.get(self.next);
        let at = match expected.filter(|entry| entry.name == name) {
            Some(_) => self.next,
            None => self.find_or_insert(name),
        };
        self.next = if at + 1 < self.entries.len() {
            at + 1
        } else {
            0
        };
        &mut self.entries[at]
    }

    fn find_or_insert(&mut self, name: &str) -> usize {
        let found = self.entries.iter().position(|entry| entry.name == name);
        found.unwrap_or_else(|| {
            self.entries.push(Extra {
                name: name.to_owned(),
                sum: 0.0,
                count: 0,
            });
            self.entries.len() - 1
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn means(extras: &Extras) -> Vec<(String, f64)> {
        extras.means()
    }

    #[test]
    fn means_are_over_the_reports_and_sorted_by_name() {
        let mut extras = Extras::default();
        for k in 0..4u8 {
            extras.add("speed", f32::from(k));
            extras.add("cost", -1.0);
            if k == 3 {
                extras.add("success", 1.0);
            }
        }
        let expected = [("cost", -1.0), ("speed", 1.5), ("success", 1.0)];
        assert_eq!(means(&extras), expected.map(|(name, x)| (name.into(), x)));
        let mut all = Extras::default();
        all.add("success", 0.0);
        all.merge(&extras);
        assert_eq!(means(&all)[2], ("success".into(), 0.5));
        // What is not reported again has no mean, and no trace of its name.
        extras.clear();
        assert!(means(&extras).is_empty());
        extras.add("cost", 2.0);
        assert_eq!(means(&extras), [("cost".into(), 2.0)]);
    }
}
