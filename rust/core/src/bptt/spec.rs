//! [`BufferSpec`]: what the buffers of a pass are to hold.

/// What buffers are to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferSpec {
    /// The most steps of a pass.
    pub(crate) steps: usize,
    /// Whether a backward pass follows.
    pub(crate) backward: bool,
    /// Whether states other than 0 may be set to start from.
    pub(crate) carried: bool,
    /// Columns of labels, and whether labels have weights.
    pub(crate) label_columns: usize,
    pub(crate) weighted: bool,
    /// Windows of so many steps in a pass, if it goes in windows; else 0.
    pub(crate) windows: usize,
}

impl BufferSpec {
    /// For outputs of whole sequences.
    pub(crate) fn predictions(steps: usize) -> Self {
        Self {
            steps,
            backward: false,
            carried: false,
            label_columns: 0,
            weighted: false,
            windows: 0,
        }
    }
}
