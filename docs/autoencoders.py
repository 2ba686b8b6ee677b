"""Write docs/autoencoders/*.md from the specs, their configs and their docstrings.

python docs/autoencoders.py              write the pages
    python docs/autoencoders.py --pictures   train each config on the digits (10 minutes) for its picture
"""

import ast
import inspect
import json
import re
import shutil
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any, NamedTuple

import jaxae
from jaxae import data
from jaxae.cli import classes, values
from jaxae.estimators.scores import facts_of_scores
from jaxae.runs import provenance
from jaxae.runs.config import load_config
from jaxae.runs.experiment import resolve
from jaxae.specs.field_docs import docstring, field_docs
from jaxae.specs.pytree import fields

ROOT = Path(__file__).resolve().parents[1]
FOLDER = Path(__file__).with_suffix("")
PICTURES = FOLDER / "pictures"


class Member(NamedTuple):
    """One page: an autoencoder, its config on the digits, and what goes wrong with it most often."""

    cls: Any
    config: str
    papers: str
    failures: str

    @property
    def name(self) -> str:
        """Name of the class."""
        return self.cls.__name__

    @property
    def page(self) -> str:
        """Name of the page without its suffix."""
        return self.config.removesuffix("_digits")


MEMBERS = [
    Member(
        jaxae.AE,
        "ae_digits",
        "Hinton & Salakhutdinov, 2006",
        "The code has no distribution that can be sampled. Fit a density to the codes first "
        "(`jaxae.metrics.densities.fit_density`). A code as wide as the data learns to copy.",
    ),
    Member(
        jaxae.DenoisingAE,
        "denoising_digits",
        "Vincent et al., 2008, 2010",
        "With too much corruption reconstructions become blurred averages. With too little the model "
        "is a plain autoencoder. Compare the measure `squared_error from masked images`.",
    ),
    Member(
        jaxae.KLSparseAE,
        "kl_sparse_digits",
        "Ng, 2011",
        "The target is a mean over the batch: small batches make it noisy, and units can be "
        "sparse on average but never off. Use `TopKAE` if codes must have exact zeros.",
    ),
    Member(
        jaxae.L1SparseAE,
        "l1_sparse_digits",
        "Glorot et al., 2011",
        "A large weight shrinks every activation, and reconstructions get darker. Units that are "
        "never active no longer learn: look at the measure `dead_units`.",
    ),
    Member(
        jaxae.TopKAE,
        "topk_digits",
        "Makhzani & Frey, 2014",
        "With few active units from the first step, some units never win and die. Start with a larger "
        "`k`, or look at `dead_units`.",
    ),
    Member(
        jaxae.JumpReLUAE,
        "jump_digits",
        "Rajamanoharan et al., 2024",
        "The gradient of the thresholds is zero outside the bandwidth of the kernel: a small bandwidth "
        "stops learning, a large one is biased. Watch `active_units` in the history.",
    ),
    Member(
        jaxae.WinnerTakeAllAE,
        "winners_digits",
        "Makhzani & Frey, 2015",
        "Winners depend on the batch: the training loss of another batch size is another loss. "
        "Codes of new data have no competition, so they are less sparse than in training.",
    ),
    Member(
        jaxae.ContractiveAE,
        "contractive_digits",
        "Rifai et al., 2011",
        "With a linear decoder that is not tied, the encoder can shrink and the decoder can grow: the"
        " penalty falls "
        "and nothing is learned. Tie the weights. The exact penalty of a deep encoder costs a "
        "derivative for each "
        "latent dimension.",
    ),
    Member(
        jaxae.Stacked,
        "stacked_digits",
        "Bengio et al., 2007",
        "After the phase on labels the decoders no longer fit the encoders: squared errors of a tuned "
        "stack are those of decoders left behind.",
    ),
    Member(
        jaxae.VAE,
        "vae_digits",
        "Kingma & Welling, 2014; Higgins et al., 2017",
        "Posterior collapse: the rate goes to 0 and all draws look alike. See "
        "[posterior collapse](../howto/posterior_collapse.md). A `SquaredError` is not a density: use"
        " `Gaussian` to "
        "compare likelihoods.",
    ),
    Member(
        jaxae.IWAE,
        "iwae_digits",
        "Burda et al., 2016; Rainforth et al., 2018",
        "The signal of the encoder's gradient falls with more samples under the standard estimator; "
        "use `estimator` `dreg` or `stl`. The bound of many samples says little about the posterior.",
    ),
    Member(
        jaxae.BetaTCVAE,
        "beta_tc_digits",
        "Chen et al., 2018",
        "The total correlation is estimated from the batch and is biased upwards for small batches. "
        "Compare models at one batch size.",
    ),
    Member(
        jaxae.FactorVAE,
        "factor_digits",
        "Kim & Mnih, 2018",
        "The discriminator has to keep up: if its accuracy stays at one half from the start, its "
        "learning rate is too low and the penalty says nothing.",
    ),
    Member(
        jaxae.InfoVAE,
        "info_digits",
        "Zhao et al., 2019",
        "Without the rate in the loss, posteriors become very narrow. The ELBO is then far below log "
        "p(x), and "
        "`iwelbo_K` is not reliable: look at its `pareto_k`.",
    ),
    Member(
        jaxae.WAE,
        "wae_digits",
        "Tolstikhin et al., 2018",
        "Codes are deterministic, so there is no ELBO. The distance between codes and prior is "
        "estimated from the batch: "
        "small batches make it noisy.",
    ),
    Member(
        jaxae.AdversarialAE,
        "adversarial_digits",
        "Makhzani et al., 2016",
        "A game: the two sides can oscillate, and some regions of the prior can stay empty. "
        "Look at draws from the prior, not at the loss.",
    ),
    Member(
        jaxae.TwoLayerVAE,
        "two_layer_digits",
        "Burda et al., 2016",
        "The upper layer often collapses to its prior: look at the rate of each layer. A warm-up of "
        "`beta` helps.",
    ),
    Member(
        jaxae.VQVAE,
        "vq_vae_digits",
        "van den Oord et al., 2017; Mentzer et al., 2023; Fifty et al., 2024",
        "Codes die: only a few entries of the codebook are used. See [dead codes](../howto/dead_codes.md).",
    ),
    Member(
        jaxae.VQGAN,
        "vq_gan_digits",
        "Esser et al., 2021",
        "If the discriminator starts too early, reconstructions get artefacts that no longer go away."
        " Raise "
        "`discriminator_start`. "
        "Squared error gets worse when the perceptual loss works: compare perceptual distances.",
    ),
]
PRIOR = Member(
    jaxae.TokenPrior,
    "token_prior_digits",
    "van den Oord et al., 2017; Esser et al., 2021",
    "A prior is only as good as its tokenizer: if reconstructions are bad, draws are worse. Low "
    "temperatures give clean "
    "images that are all alike.",
)


def page(member: Member) -> str:
    """Return the Markdown text of the page of one autoencoder."""
    summary, *details = docstring(member.cls).split("\n\n")
    configs = [name for name in _configs(member.page) if name.rpartition("_")[0] == member.page]
    parts = [
        f"# {member.name}",
        f"<!-- Written by `python docs/autoencoders.py` from {_source(member.cls)} and configs/. -->",
        _markdown(summary),
        *(_markdown(each) for each in details),
        f"Paper: {member.papers}. Source: `{_source(member.cls)}`.",
        "## Train it",
        *(_expected(name) for name in configs),
        *_picture(member),
        "## Hyperparameters",
        "Numbers marked with * are traced: a sweep over them compiles once.",
        _hyperparameters(member.cls),
        "## Scores",
        "Each run writes these scores for validation and test rows. Standard errors stand next to "
        "means over rows.",
        _scores(member),
        "## What goes wrong",
        member.failures,
    ]
    return "\n\n".join(parts) + "\n"


def overview() -> str:
    """Return the Markdown text of the page that lists all autoencoders."""
    lines = [
        f"| [`{member.name}`]({member.page}.md) | {_summary(member.cls)} | {member.papers} |"
        for member in [*MEMBERS, PRIOR]
    ]
    return "\n".join(
        [
            "# The autoencoders",
            "",
            "<!-- Written by `python docs/autoencoders.py`. -->",
            "",
            "Each autoencoder is one class in one file. Nets, likelihoods, posteriors, priors and "
            "quantisers are parts that",
            "can be exchanged. `jaxae show` lists a config for each on the digits and on MNIST.",
            "",
            "| class | objective | paper |",
            "|---|---|---|",
            *lines,
            "",
            "What each autoencoder is for, measured against the plain one of the same size:",
            "[the family, measured](../experiments/family/README.md).",
            "",
        ]
    )


def _summary(cls: Any) -> str:
    """Return the first paragraph of a docstring as a cell of a table."""
    first = docstring(cls).split("\n\n")[0]
    return " ".join(first.split()).replace("|", "\\|")


def _source(cls: Any) -> str:
    return str(Path(inspect.getfile(cls)).relative_to(Path(jaxae.__file__).parents[1]))


def _configs(page_name: str) -> list[str]:
    return sorted(file.stem for file in (ROOT / "configs").glob(f"{page_name}_*.py"))


def _expected(name: str) -> str:
    """Return the commands of a config, the number that it gives, and the time that it takes."""
    docstring = ast.get_docstring(ast.parse((ROOT / "configs" / f"{name}.py").read_text())) or ""
    facts = dict(re.findall(r"^(Data|Command|Expected|Time): +(.*)$", docstring, re.M))
    commands = [f"$ {facts[word]}" for word in ("Data", "Command") if word in facts]
    lines = ["```console", *commands, "```", ""]
    return "\n".join([*lines, f"Expected: {facts['Expected']}. Time: {facts['Time']}."])


def _picture(member: Member) -> list[str]:
    file = PICTURES / f"{member.page}.png"
    text = "Digits of the test split, and below each its reconstruction after this training."
    if member is PRIOR:
        text = "Images of tokens that were drawn from this prior."
    return [f"![{text}](pictures/{file.name})", text] if file.exists() else []


def _hyperparameters(cls: Any) -> str:
    """Return a table of the fields of a spec: type, range, default, and the text of the field."""
    texts, defaults = field_docs(cls), classes.with_defaults(cls)
    rows = ["| field | type | default | meaning |", "|---|---|---|---|"]
    for name, annotation in fields(cls).items():
        default = getattr(defaults, name)
        shown = type(default).__name__ if hasattr(default, "__dataclass_fields__") else repr(default)
        accepted = ", ".join(f"`{name}`" for name in _accepted(annotation))
        text = " ".join(filter(None, [texts.get(name, ""), f"One of {accepted}." if accepted else ""]))
        plain = _escaped(" ".join(filter(None, [values.metavar(annotation), values.ranges(annotation)])))
        cells = (f"`{name}`{_star(annotation)}", plain or "part", f"`{_escaped(shown)}`", _escaped(text))
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows)


def _accepted(annotation: Any) -> list[str]:
    """Return the names of the classes of jaxae that a field accepts."""
    accepted = classes.accepted(annotation)
    return [name for name, cls in accepted.items() if cls.__module__.startswith("jaxae.")]


def _star(annotation: Any) -> str:
    return " *" if "FLOAT" in values.metavar(annotation) else ""


def _scores(member: Member) -> str:
    """Return a table of the scores of a member: unit, direction, and how each is made."""
    experiment = load_config(member.config)
    if member is PRIOR:
        model = experiment.model
        facts = {name: fact for name, fact in facts_of_scores(model).items() if fact.how}
    else:
        facts = facts_of_scores(resolve(experiment, data.load(experiment.data)).model)
    rows = ["| score | unit | better | how it is made |", "|---|---|---|---|"]
    for name, fact in facts.items():
        better = "higher" if fact.higher_is_better else "lower"
        rows.append(f"| `{name}` | {_escaped(fact.unit)} | {better} | {_escaped(fact.how)} |")
    return "\n".join(rows)


def _markdown(paragraph: str) -> str:
    """Return a paragraph of a docstring; aligned or indented lines become a block of code."""
    is_aligned = re.search(r"^\S.*?\S  +\S", paragraph, re.M) or re.match(r" {4}", paragraph)
    if is_aligned or paragraph.lstrip().startswith(">>>"):
        language = "pycon" if ">>>" in paragraph else "text"
        return f"```{language}\n{textwrap.dedent(paragraph)}\n```"
    return paragraph


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("[", "\\[")


def write_picture(member: Member) -> None:
    """Train a config on the digits and keep its picture of reconstructions."""
    with tempfile.TemporaryDirectory() as folder:
        from jaxae.cli.main import run

        command = ["train", str(ROOT / "configs" / f"{member.config}.py"), "--run-dir", f"{folder}/run"]
        assert run(command) == 0
        name = "reconstructions.png"
        shutil.copy(Path(folder) / "run" / "figures" / name, PICTURES / f"{member.page}.png")


def main(arguments: list[str]) -> None:
    """Write all pages, and the pictures if asked to."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    if "--pictures" in arguments:
        for member in MEMBERS:
            write_picture(member)
        made = {"seed": 0, **provenance.of_study(__file__)}
        (PICTURES / "made.json").write_text(json.dumps(made, indent=2) + "\n")
    for member in [*MEMBERS, PRIOR]:
        (FOLDER / f"{member.page}.md").write_text(page(member))
    (FOLDER / "index.md").write_text(overview())


if __name__ == "__main__":
    main(sys.argv[1:])
