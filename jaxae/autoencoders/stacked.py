"""The stacked autoencoder: greedy layer-wise training, then fine-tuning (Bengio et al., 2007)."""

from collections.abc import Callable
from typing import Annotated, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from annotated_types import Ge
from jax import Array

from jaxae import nets
from jaxae.autoencoders.base.pairs import Shape
from jaxae.autoencoders.plain import AE
from jaxae.protocols.capabilities import (
    Autoencoder,
    CodeSize,
    DataShaped,
    TermUnits,
    comparison_of,
    evaluation_terms,
)
from jaxae.protocols.parts import Reconstruction, unit_of
from jaxae.schedules import boundary
from jaxae.specs.pytree import replace, spec
from jaxae.types import Batch, Key, Terms, Variables


@spec
class Stacked:
    """Stacked autoencoder: each stage is an autoencoder of the codes of the stage below, trained in phases.

    1. Greedy: stage i minimises its own loss on the codes of the fixed stages below it, for `stage_steps`
       steps.
    2. Unrolled: all encoders and decoders minimise the first stage's distortion of x, from the code of the
       last stage, for `finetune_steps` steps.
    3. Supervised, if `num_classes` > 0: a linear softmax head on the last code minimises the cross-entropy of
       the labels (nats) for the rest of the run. The encoders learn too, unless `freeze`.

    The optimiser's state is reset at the start of each phase. With `stage_steps` 0 and `finetune_steps` 0 the
    whole run is phase 3: the supervised baseline, or with `freeze` a head on an untrained encoder. Validation
    uses the loss of the last phase. Bengio, Lamblin, Popovici & Larochelle, 2007; Vincent et al., 2010.
    """

    stages: tuple[Autoencoder, ...] = (AE(), AE(latent_dim=4))
    """Autoencoders from the data inwards; the data of each are the codes of the one before."""
    stage_steps: Annotated[float, Ge(0)] = 1000.0
    """Steps of greedy training of each stage; 0 for no greedy training."""
    finetune_steps: Annotated[float, Ge(0)] = 0.0
    """Steps of the unrolled autoencoder before the supervised phase; without labels it lasts to the end."""
    num_classes: Annotated[int, Ge(0)] = 0
    """Number of labels of the supervised phase, 0, ..., num_classes - 1; 0 for no such phase."""
    freeze: bool = False
    """Train the head alone in the supervised phase."""
    data_shape: Shape = ()
    """Shape of one example; taken from the data when a run starts."""

    def check(self) -> None:
        """Check that there are stages, and that each can be stacked. Raises: ValueError otherwise."""
        if not self.stages:
            raise ValueError("stages: is empty, expected at least one autoencoder")
        for number, stage in enumerate(self.stages):
            name = f"stages.{number}: {type(stage).__name__}"
            if not isinstance(stage, CodeSize) or not isinstance(stage, DataShaped):
                raise ValueError(f"{name} lacks latent_dim or data_shape; a stage needs both")
        if comparison_of(self.stages[0]) is None:
            name = type(self.stages[0]).__name__
            raise ValueError(f"stages.0: {name} has neither reconstruction nor likelihood, expected one")

    @property
    def latent_dim(self) -> int:
        """Size of the code of the last stage."""
        return _code_size(self.stages[-1])

    def init(self, key: Key, batch: Batch) -> Variables:
        """Initialise all stages, and the head."""
        head_key, *stage_keys = jax.random.split(key, 1 + len(self.stages))
        params, extra, x = {}, {}, batch.x
        for number, (stage, stage_key) in enumerate(zip(self._stages(), stage_keys, strict=True)):
            variables = stage.init(stage_key, Batch(x))
            params[f"stage_{number}"], extra[f"stage_{number}"] = variables
            # The next stage is initialised with codes: their shape is its data's.
            x = stage.encode(variables, Batch(x))
        if self.num_classes:
            # `x` is the code of the last stage by now.
            params["head"] = nets.init(HEAD, head_key, x, (self.num_classes,))
        return Variables(params, extra)

    def terms(self, variables: Variables, batch: Batch, key: Key) -> tuple[Terms, Any]:
        """Compute `stage_i_<term>`, `distortion` of the whole stack, and `cross_entropy`; f32[B] each.

        All terms are computed in every phase; `weights` selects those of the present phase.
        """
        return self._terms(variables, batch, key, lambda stage, *arguments: stage.terms(*arguments))

    def evaluation_terms(self, variables: Variables, batch: Batch, key: Key) -> Terms:
        """Return the same terms, those of each stage as the stage is evaluated."""
        evaluated = self._terms(
            variables, batch, key, lambda stage, *arguments: (evaluation_terms(stage, *arguments), ())
        )
        return evaluated[0]

    def _terms(
        self, variables: Variables, batch: Batch, key: Key, compute: Callable[..., tuple[Terms, Any]]
    ) -> tuple[Terms, Any]:
        """Return all terms and the new `extra`, by `compute(stage, variables, batch, key)` for each stage."""
        terms: Terms = {}
        extra, x = {}, batch.x
        for number, stage in enumerate(self._stages()):
            # A stage's own loss must not train the stages below it. Their codes carry a gradient only for the
            # unrolled distortion and the head.
            name, below = f"stage_{number}", Batch(jax.lax.stop_gradient(x))
            # The key depends on the stage's number: a further stage on top changes no noise below.
            stage_variables = _stage_variables(variables, number)
            stage_terms, extra[name] = compute(stage, stage_variables, below, jax.random.fold_in(key, number))
            terms |= {f"{name}_{term}": values for term, values in stage_terms.items()}
            x = stage.encode(stage_variables, Batch(x))
        parameters = self.decode(variables, x)
        terms["distortion"] = self._comparison.distortion(parameters, batch.x, len(self.data_shape))
        if self.num_classes:
            logits = self._apply_head(variables, x)
            terms["cross_entropy"] = optax.softmax_cross_entropy_with_integer_labels(logits, batch.y)
        return terms, extra

    def weights(self, step: Array) -> dict[str, Any]:
        """Return the weights of the present phase's terms, and 0 for all others."""
        # The weights select the phase, so that one compiled program serves all of them.
        phase, weights = self._phase(step), {}
        for number, stage in enumerate(self.stages):
            for name, weight in stage.weights(step).items():
                weights[f"stage_{number}_{name}"] = jnp.where(phase == number, weight, 0.0)
        weights["distortion"] = jnp.where(phase == len(self.stages), 1.0, 0.0)
        if self.num_classes:
            weights["cross_entropy"] = jnp.where(phase > len(self.stages), 1.0, 0.0)
        return weights

    def term_units(self) -> dict[str, str]:
        """Return the unit of each term that has one; the data of a higher stage are codes."""
        units = {"distortion": unit_of(self._comparison), "cross_entropy": "nats"}
        for number, stage in enumerate(self.stages):
            for name, unit in (stage.term_units() if isinstance(stage, TermUnits) else {}).items():
                data = unit if number == 0 else unit.replace("data unit", "unit of the code below")
                units[f"stage_{number}_{name}"] = data
        return units

    def trained(self, step: Array) -> dict[str, Array]:
        """Return which groups of parameters learn at `step`, bool[] each."""
        # A weight of 0 is not enough: Adam moves a parameter by its momentum even if its gradient is 0.
        phase, last = self._phase(step), len(self.stages)
        in_finetuning = (phase >= last) if not self.freeze else (phase == last)
        learns = {f"stage_{number}": (phase == number) | in_finetuning for number in range(last)}
        return {**learns, "head": phase > last} if self.num_classes else learns

    def encode(self, variables: Variables, batch: Batch) -> Array:
        """Return the code of the last stage, f32[B, ...] -> f32[B, L]."""
        x = batch.x
        for number, stage in enumerate(self._stages()):
            x = stage.encode(_stage_variables(variables, number), Batch(x))
        return x

    def decode(self, variables: Variables, z: Array, y: Any = ()) -> dict[str, Array]:
        """Return the parameters of p(x|z) of the first stage, f32[B, ...] each, for z f32[B, L]."""
        stages = self._stages()
        for number in reversed(range(1, len(stages))):
            # The mean of a stage's reconstruction is the code that the stage below decodes.
            z = stages[number].image(stages[number].decode(_stage_variables(variables, number), z))
        return stages[0].decode(_stage_variables(variables, 0), z)

    def image(self, parameters: dict[str, Array]) -> Array:
        """Return the mean of p(x|z), f32[B, ...] in the data's unit, from the result of `decode`."""
        return self.stages[0].image(parameters)

    def logits(self, variables: Variables, batch: Batch) -> Array:
        """Compute log p(label|x) up to a constant by the head, f32[B, num_classes]."""
        return self._apply_head(variables, self.encode(variables, batch))

    @property
    def _comparison(self) -> Reconstruction:
        """Reconstruction loss of the first stage."""
        comparison = comparison_of(self.stages[0])
        assert comparison is not None  # by `check`
        return comparison

    def _apply_head(self, variables: Variables, z: Array) -> Array:
        return nets.apply(HEAD, variables.params["head"], z, (self.num_classes,))

    def _stages(self) -> tuple[Autoencoder, ...]:
        """Return the stages, each with the shape of its data."""
        shapes = [self.data_shape, *((_code_size(stage),) for stage in self.stages)]
        # One shape more than stages: nothing comes after the last code.
        return tuple(
            replace(stage, "data_shape", shape) for stage, shape in zip(self.stages, shapes, strict=False)
        )

    def _phase(self, step: Array) -> Array:
        """Return the phase: 0, ..., n - 1 for the stage that learns, n for unrolled, n + 1 for the head."""
        number = len(self.stages)
        # 33.3 * 10 in float32 may lie above 333: `boundary` rounds such sums, so that step 333 starts the
        # phase.
        ends = boundary(self.stage_steps * np.arange(1, number + 1, dtype=np.float32))
        stage = (step >= ends).sum(dtype=jnp.int32)
        end = boundary(self.stage_steps * number + self.finetune_steps)
        unrolled = (step < end) if self.num_classes else True
        return jnp.where(stage < number, stage, jnp.where(unrolled, number, number + 1))


# Linear: logistic regression on the code.
HEAD = nets.MLP(widths=())


def _code_size(stage: Autoencoder) -> int:
    """Return the size of a stage's code."""
    assert isinstance(stage, CodeSize)  # by `check`
    return stage.latent_dim


def _stage_variables(variables: Variables, number: int) -> Variables:
    """Return the variables of one stage."""
    name = f"stage_{number}"
    return Variables(variables.params[name], variables.extra[name])
