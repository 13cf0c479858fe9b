//! Letting go by age, when there is time for it.

use super::{AT_ONCE, Left, SMALL, Sparse, SparseError, room::permille};

/// Bytes that leave in one step, about.
const STEP: u64 = 256 << 10;

impl Sparse {
    /// Writes what waits to be written, and lets go of what nobody has used for as long as the profile says, which is
    /// less when there is little room. To be called when there is time, once an hour or so.
    pub fn maintain(&mut self) -> Result<Left, SparseError> {
        let due = self.due()?;
        self.flush()?;
        let left = self.evict_to(0, Some(due))?;
        self.forget_gone()?;
        Ok(left)
    }

    /// What was used last before this moment, in milliseconds since 1970, leaves now by its age.
    pub fn due(&self) -> Result<u64, SparseError> {
        let age = self.profile.age(permille(self.used()?, self.capacity()));
        Ok(self.replica.wall.millis().saturating_sub(age))
    }

    /// The same as [`Sparse::maintain`] in steps, for who has others waiting: to be called with what was [`Sparse::due`] at
    /// the first until nothing leaves any more.
    pub fn maintain_some(&mut self, due: u64) -> Result<Left, SparseError> {
        self.flush()?;
        let target = self.used()?.saturating_sub(STEP);
        let left = self.evict_to(target, Some(due))?;
        if left == Left::default() {
            self.forget_gone()?;
        }
        Ok(left)
    }

    fn forget_gone(&mut self) -> Result<(), SparseError> {
        let order = self.order(AT_ONCE, 0, None);
        self.write(SMALL, |batch| batch.forget_gone(&order))
    }
}
