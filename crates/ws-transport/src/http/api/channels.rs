//! `/channels`, `/channels/{channel}`.
