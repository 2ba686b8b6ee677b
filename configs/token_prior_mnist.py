"""A transformer over the tokens of MNIST, given the label; the tokenizer is a run of vq_vae_mnist.

Data:      jaxae data download mnist
Command:   jaxae train configs/token_prior_mnist.py --tokenizer RUN
Expected:  test log_prob -118.9 nats
Time:      about 858 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="tokens"),
    model=jaxae.TokenPrior(
        net=jaxae.Transformer(width=128, num_layers=3, num_heads=4),
        condition=jaxae.tokens.Labels(),
    ),
    optimizer=jaxae.AdamW(
        learning_rate=jaxae.schedules.Cosine(start=2e-3, end=1e-4, steps=3740.0, warmup=200.0),
        weight_decay=0.05,
    ),
    batch_size=128,
    epochs=8,
    clip_norm=1.0,
)
