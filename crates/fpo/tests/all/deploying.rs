//! Policies taken away: programs in C and C++, exported files, and what docs/deploying.md says.

mod policies;
mod programs;
