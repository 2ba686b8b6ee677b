"""A stack of two denoising layers on MNIST, then a softmax head on labels.

Data:      jaxae data download mnist
Command:   jaxae train configs/stacked_mnist.py
Expected:  test error_rate 0.0152 of labels
Time:      about 139 s of training, 148 s in all, on two cores

`jaxae sweep configs/stacked_mnist.py --seeds 5` adds the baselines: labels only, without greedy
training; the head alone, on greedy encoders that rest, and on encoders that nobody trained.
"""

import jaxae


def layer(latent_dim: int) -> jaxae.DenoisingAE:
    """Sigmoid units that learn from inputs of which a quarter is masked."""
    return jaxae.DenoisingAE(
        encoder=jaxae.MLP(widths=()),
        decoder=jaxae.MLP(widths=()),
        latent_dim=latent_dim,
        activation="sigmoid",
        reconstruction=jaxae.Bernoulli(),
        tied=True,
        corruption=jaxae.distributions.Masking(rate=0.25),
    )


experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="mnist", num_validation=0),
    model=jaxae.Stacked(
        stages=(layer(500), layer(500)),
        stage_steps=6000.0,
        finetune_steps=0.0,
        num_classes=10,
    ),
    optimizer=jaxae.Adam(learning_rate=1e-3),
    batch_size=100,
    epochs=40,
)

sweep = [
    {},
    {"model.stage_steps": 0.0},
    {"model.freeze": True},
    {"model.stage_steps": 0.0, "model.freeze": True},
]
