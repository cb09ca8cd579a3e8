//! `SharedNetwork`: a body with a head for each task.

use tch::nn::VarStore;
use tch::{Device, Kind, TchError, Tensor};

use crate::net::{HEAD, NetGraph};
use crate::train::Recipe;
use crate::train::torch::data::Batch;
use crate::train::torch::fit::use_threads;
use crate::train::torch::module::Module;
use crate::train::torch::objective::Objective;
use crate::train::torch::weights::{self, Tensors};

/// A body with a head for each task.
pub(super) struct SharedNetwork {
    pub(super) store: VarStore,
    /// One a task; what is not a head is the same in all of them.
    pub(super) modules: Vec<Module>,
}

impl SharedNetwork {
    /// Fresh weights, drawn with the seed.
    pub(super) fn new(
        nets: &[NetGraph],
        recipe: &Recipe,
        seed: u64,
        device: Device,
    ) -> Result<Self, TchError> {
        tch::manual_seed(seed.cast_signed());
        let store = VarStore::new(device);
        let modules = nets.iter().enumerate().map(|(at, net)| {
            let net = net.clone().with_head(&head(at));
            let shapes = net.shapes().map_err(|error| TchError::Torch(error.to_string()))?;
            use_threads(&net, recipe.batch_size, None);
            // What is in the store under its name is shared: everything but the heads.
            Ok(Module::new(&store.root(), &net, &shapes)?.computing(recipe))
        });
        let modules = modules.collect::<Result<_, TchError>>()?;
        Ok(SharedNetwork { store, modules })
    }

    /// The weights of one task's network, under the names that it would have alone.
    pub(super) fn of_task(&self, at: usize) -> Tensors {
        let is_head = |name: &str| {
            name.strip_prefix(HEAD).is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let own = format!("{}.", head(at));
        let named =
            weights::of(&self.store).into_iter().filter_map(|(name, tensor)| match name.strip_prefix(&own) {
                Some(rest) => Some((format!("{HEAD}.{rest}"), tensor)),
                None => (!is_head(&name)).then_some((name, tensor)),
            });
        named.collect()
    }

    /// The mean over tasks of the loss on one batch of each.
    pub(super) fn loss(&self, batches: Vec<Batch>, objective: &dyn Objective) -> Result<Tensor, TchError> {
        let n = batches.len() as f64;
        let losses = self.modules.iter().zip(batches).map(|(module, batch)| {
            let values = module.values(&batch.x, |_| true)?;
            objective.loss(&values, &batch)
        });
        let losses: Vec<Tensor> = losses.collect::<Result<_, _>>()?;
        Tensor::f_stack(&losses, 0)?.f_sum(Kind::Float)?.f_div_scalar(n)
    }
}

fn head(at: usize) -> String {
    format!("{HEAD}{at}")
}
