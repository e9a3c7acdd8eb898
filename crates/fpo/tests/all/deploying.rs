//! Policies taken away: programs in C and C++, exported files, and what docs/deploying.md says.

#[cfg(unix)]
mod guide;
mod policies;
mod programs;
