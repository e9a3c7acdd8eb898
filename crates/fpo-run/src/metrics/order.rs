//! The order of a run's rows, which a resumed run continues and a check of the run looks at.

/// The rows of a run up to the iteration of its newest checkpoint, as they come: they must reach it
/// without a gap, each exactly once. The first may be missing, if the run's file was moved away.
#[derive(Clone, Debug)]
pub(crate) struct Order {
    /// The checkpoint's iteration; what was recorded after it does not count.
    until: u64,
    /// Rows that count.
    rows: usize,
    first: Option<u64>,
    newest: Option<u64>,
}

impl Order {
    pub(crate) fn until(iteration: u64) -> Self {
        Self {
            until: iteration,
            rows: 0,
            first: None,
            newest: None,
        }
    }

    /// The next row is of `iteration`. Returns whether it counts.
    ///
    /// # Errors
    /// Why it cannot be the next.
    pub(crate) fn next(&mut self, iteration: u64) -> Result<bool, String> {
        if iteration > self.until {
            return Ok(false);
        }
        match self.newest {
            Some(before) if iteration <= before => {
                return Err(format!("iteration {iteration} comes after {before}"));
            }
            Some(before) if iteration > before + 1 => {
                return Err(format!("iteration {} is missing before it", before + 1));
            }
            _ => {}
        }
        self.first.get_or_insert(iteration);
        (self.newest, self.rows) = (Some(iteration), self.rows + 1);
        Ok(true)
    }

    /// The line after which rows are missing, and what is wrong with it.
    pub(crate) fn cut(&self) -> Option<(usize, String)> {
        let newest = self.newest.filter(|newest| *newest < self.until)?;
        let reason = format!(
            "it is the last, of iteration {newest}, but the checkpoint is of iteration {}",
            self.until
        );
        Some((self.rows, reason))
    }

    /// The iterations whose rows are missing at the beginning, the first and the last; none if they
    /// are all there.
    pub(crate) fn missing(&self) -> Option<(u64, u64)> {
        let last = match self.first {
            Some(first) => first.saturating_sub(1),
            None => self.until,
        };
        (last > 0).then_some((1, last))
    }

    /// The iteration from which on there are rows.
    pub(crate) fn begins(&self) -> u64 {
        self.first.unwrap_or(self.until.saturating_add(1))
    }
}

/// A counter of a row, far below what a sum or a product of it could not hold.
///
/// # Errors
/// If it is beyond any run.
pub(crate) fn counter(number: u64) -> Result<u64, String> {
    match number < 1 << 62 {
        true => Ok(number),
        false => Err("a counter is impossibly large".to_owned()),
    }
}

/// That rows are missing, in words that follow the file's name.
pub(crate) fn lacks((first, last): (u64, u64)) -> String {
    match first == last {
        true => format!("has no row of iteration {first}"),
        false => format!("has no rows of iterations {first} to {last}"),
    }
}
