//! Curves of any number of points in a fixed amount of memory.

/// Most points of a curve that is drawn: one or two per pixel.
pub const POINTS: usize = 720;

/// Neighboring points as one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Group {
    x: f64,
    sum: f64,
    least: f64,
    greatest: f64,
    count: u64,
}

impl Group {
    fn of(x: f64, y: f64) -> Self {
        Self {
            x,
            sum: y,
            least: y,
            greatest: y,
            count: 1,
        }
    }

    fn add(&mut self, other: Self) {
        let (n, m) = (self.count as f64, other.count as f64);
        self.x = (n * self.x + m * other.x) / (n + m);
        self.sum += other.sum;
        self.least = self.least.min(other.least);
        self.greatest = self.greatest.max(other.greatest);
        self.count += other.count;
    }
}

/// How neighboring values are merged.
#[derive(Clone, Copy, Debug)]
pub enum Merge {
    /// Their mean.
    Mean,
    /// The smallest.
    Least,
    /// The largest.
    Greatest,
}

/// A curve of at most [`POINTS`] points. While there are more, neighbors are merged in pairs, so
/// that each stands for equally many of the points that were added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Thinned {
    groups: Vec<Group>,
    /// Logarithm, to base 2, of the points of a whole group.
    doublings: u32,
}

impl Thinned {
    /// Adds a point to the right of the others.
    pub fn push(&mut self, x: f64, y: f64) {
        let whole = 1 << self.doublings;
        match self.groups.last_mut() {
            Some(last) if last.count < whole => last.add(Group::of(x, y)),
            _ => self.groups.push(Group::of(x, y)),
        }
        if self.groups.len() > POINTS {
            self.doublings += 1;
            let pairs = self.groups.chunks(2).map(|pair| {
                let mut group = pair[0];
                pair[1..].iter().for_each(|next| group.add(*next));
                group
            });
            self.groups = pairs.collect();
        }
    }

    /// Its points.
    pub fn points(&self, merge: Merge) -> Vec<(f64, f64)> {
        let y = |group: &Group| match merge {
            Merge::Mean => group.sum / group.count as f64,
            Merge::Least => group.least,
            Merge::Greatest => group.greatest,
        };
        self.groups
            .iter()
            .map(|group| (group.x, y(group)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thinned(points: impl IntoIterator<Item = (f64, f64)>) -> Thinned {
        let mut thinned = Thinned::default();
        points.into_iter().for_each(|(x, y)| thinned.push(x, y));
        thinned
    }

    #[test]
    fn few_points_stay_as_they_are() {
        let points: Vec<_> = (0..POINTS).map(|k| (k as f64, (k * k) as f64)).collect();
        let few = thinned(points.clone());
        for merge in [Merge::Mean, Merge::Least, Merge::Greatest] {
            assert_eq!(few.points(merge), points);
        }
        assert_eq!(Thinned::default().points(Merge::Mean), []);
    }

    #[test]
    fn neighbors_of_many_points_are_merged() {
        for count in [POINTS + 1, 2 * POINTS, 100_001] {
            let many = thinned((0..count).map(|k| (k as f64, (k % 2) as f64)));
            let mean = many.points(Merge::Mean);
            assert!(
                (POINTS / 2..=POINTS).contains(&mean.len()),
                "{}",
                mean.len()
            );
            assert!(mean.is_sorted_by(|a, b| a.0 < b.0));
            // All groups but the last are whole.
            let (_, whole) = mean.split_last().unwrap();
            assert!(whole.iter().all(|(_, y)| *y == 0.5), "{count}");
            let [least, greatest] = [Merge::Least, Merge::Greatest].map(|m| many.points(m));
            assert!(whole.iter().zip(&least).all(|(_, (_, y))| *y == 0.0));
            assert!(whole.iter().zip(&greatest).all(|(_, (_, y))| *y == 1.0));
        }
    }
}
