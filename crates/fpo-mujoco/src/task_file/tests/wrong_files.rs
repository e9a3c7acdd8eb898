//! Wrong files are each answered in one line.
