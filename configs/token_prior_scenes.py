"""A transformer over the tokens of scenes, given their captions; the tokenizer is a run of vq_vae_scenes.

Command:   jaxae train configs/token_prior_scenes.py --tokenizer RUN
Expected:  test log_prob -36.2 nats
Time:      about 1120 s in all, on two cores that others used too
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="captions"),
    model=jaxae.TokenPrior(
        net=jaxae.Transformer(width=128, num_layers=4, num_heads=4),
        condition=jaxae.tokens.Text(),
    ),
    optimizer=jaxae.AdamW(
        learning_rate=jaxae.schedules.Cosine(start=2e-3, end=1e-4, steps=4310.0, warmup=200.0),
        weight_decay=0.05,
    ),
    batch_size=64,
    epochs=4,
    clip_norm=1.0,
)
