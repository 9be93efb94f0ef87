//! [`BufferSpec`]: what the buffers of a pass must hold.

/// What buffers must hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BufferSpec {
    /// The most steps of a pass.
    pub(crate) steps: usize,
    /// Whether a backward pass follows.
    pub(crate) backward: bool,
    /// Whether initial states other than 0 may be set.
    pub(crate) carried: bool,
    /// Columns of labels, and whether labels have weights.
    pub(crate) label_columns: usize,
    pub(crate) weighted: bool,
    /// The number of windows of `steps` steps, if a pass goes in windows; else 0.
    pub(crate) windows: usize,
}

impl BufferSpec {
    /// For outputs of whole sequences, with no backward pass.
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
