"""A transformer over the tokens of digits, given the label; the tokenizer is a run of vq_vae_digits.

Command:   jaxae train configs/token_prior_digits.py --tokenizer RUN
Expected:  test log_prob -65.9 nats
Time:      about 11 s of training, 24 s in all, on two cores
"""

import jaxae

experiment = jaxae.Experiment(
    data=jaxae.DataSpec(name="tokens"),
    model=jaxae.TokenPrior(
        net=jaxae.Transformer(width=64, num_layers=2, num_heads=4),
        condition=jaxae.tokens.Labels(),
    ),
    optimizer=jaxae.AdamW(learning_rate=2e-3, weight_decay=0.1),
    batch_size=64,
    epochs=30,
)
