//! `Proxy`: what a network's score can be guessed from before it is trained.

/// A number read off a network with its first, untrained weights and at most one batch of examples: a zero-cost proxy. For
/// each of them more is meant to be better.
///
/// As a group: Abdelfattah, Mehrotra, Dudziak & Lane, "Zero-cost proxies for lightweight NAS", ICLR 2021 (arXiv:2101.08134).
/// How far they are to be trusted differs from task to task and is to be measured: on many spaces the plain number of
/// parameters does as well (White et al., "A deeper look at zero-cost proxies for lightweight NAS", ICLR blog track 2022).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proxy {
    /// Synaptic flow, `ln(1 + sum of w dR/dw)` over the weights of convolutions and fully connected layers, where `R` is the
    /// sum of the outputs for an example of ones when all weights and biases are replaced by their absolute values and norms
    /// and bounded activations pass on what they get. Needs no data.
    ///
    /// *Source*: Tanaka, Kunin, Yamins & Ganguli, NeurIPS 2020 (arXiv:2006.05467), section 5; without norms and in double
    /// precision as in the code of arXiv:2101.08134. The logarithm is ours and keeps the order.
    Synflow,
    /// How differently the network treats the examples of a batch: `log det(K + 1e-3 I)`, where `K_ij` counts the activations
    /// that are positive for both `i` and `j` or for neither. Absent for a network without activations.
    ///
    /// *Source*: Mellor, Turner, Storkey & Crowley, "Neural architecture search without training", ICML 2021
    /// (arXiv:2006.04647v3), equation 2. The small multiple of the identity keeps equal patterns from giving minus infinity.
    Naswot,
    /// How little the gradients by the input of a batch's examples are correlated: `-sum(ln(v + 1e-5) + 1/(v + 1e-5))` over
    /// the eigenvalues `v` of their correlation matrix. A gradient that is the same everywhere counts as correlated with none and
    /// has the eigenvalue 0.
    ///
    /// *Source*: the first version of the same paper (arXiv:2006.04647v1), section 3.
    Jacov,
    /// The sum, over layers, of the norms of the loss's gradient by the weights.
    ///
    /// *Source*: arXiv:2101.08134, section 3.2.
    GradNorm,
    /// The sum of `|w dL/dw|` over all weights: how much the loss would change without each.
    ///
    /// *Source*: Lee, Ajanthan & Torr, "SNIP", ICLR 2019 (arXiv:1810.02340), equation 6, summed up as in arXiv:2101.08134.
    Snip,
    /// Trained numbers, [`NetCost::params`](crate::net::NetCost::params).
    Params,
    /// Multiply-adds for one example, [`NetCost::flops`](crate::net::NetCost::flops).
    Flops,
}

impl Proxy {
    /// All of them.
    pub const ALL: [Proxy; 7] = [
        Proxy::Synflow,
        Proxy::Naswot,
        Proxy::Jacov,
        Proxy::GradNorm,
        Proxy::Snip,
        Proxy::Params,
        Proxy::Flops,
    ];

    /// Its name in JSON and on the command line.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Proxy::Synflow => "synflow",
            Proxy::Naswot => "naswot",
            Proxy::Jacov => "jacov",
            Proxy::GradNorm => "grad_norm",
            Proxy::Snip => "snip",
            Proxy::Params => "params",
            Proxy::Flops => "flops",
        }
    }
}
