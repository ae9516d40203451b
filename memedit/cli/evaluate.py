"""`memedit eval`: run a suite, compare two runs, write reports."""

from __future__ import annotations

import shlex
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from memedit.cli import recorded
from memedit.cli.lm_eval import lm_eval
from memedit.cli.options import BaseUrl, Json, Model
from memedit.cli.output import as_json, note, table, working
from memedit.cli.session import Commands
from memedit.cli.stages import stage, watching
from memedit.errors import EvaluationError
from memedit.settings import DEFAULT_MODEL, home

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from memedit.bake.methods import Watch
    from memedit.evaluate.report.result import Result
    from memedit.evaluate.runner import Job
    from memedit.evaluate.suite import Suite

SEED = 0
ALONE = 24


class EvalCommands(Commands):
    """A group in which any word that is no command is the name of a suite to run."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """`eval counterfact ...` is `eval run counterfact ...`, and is called as it was typed."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            _, command, rest = super().resolve_command(ctx, ["run", *args])
            return args[0], command, rest
        return super().resolve_command(ctx, args)


class SuiteCommand(TyperCommand):
    """`run`, whose help does not ask for the suite that has just been named."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The usage line's words after the command's own."""
        pieces = super().collect_usage_pieces(ctx)
        return pieces if ctx.info_name == "run" else pieces[:1]


app = typer.Typer(
    cls=EvalCommands,
    no_args_is_help=True,
    subcommand_metavar="SUITE|COMMAND [OPTIONS]...",
    help="Measure how well edits hold.\n\n"
    "memedit eval SUITE runs a suite: the base model first, then the method with so many edits "
    "live. A run that was stopped goes on with the same command. memedit eval SUITE --help tells "
    "its options, memedit eval list the suites.",
    epilog="Example: memedit eval counterfact --data counterfact.json --limit 100 --k 1,all",
)


class Setting(StrEnum):
    """What is live beside the edits."""

    end_to_end = "end-to-end"
    given_facts = "given-facts"
    dense = "dense"


class Number(StrEnum):
    """Number formats of a local model's weights."""

    float32 = "float32"
    bfloat16 = "bfloat16"
    float16 = "float16"


@app.command("run", hidden=True, cls=SuiteCommand)
def run(
    suite: Annotated[
        str, typer.Argument(help="A suite's name, or a .toml file with one of your own.")
    ],
    method: Annotated[
        str,
        typer.Option(
            help="How edits are made: memory (memedit's pipeline), multihop (likewise, composed "
            "questions taken apart), mello (likewise, by the model itself in prompts), in-context "
            "(the nearest edit before every question), base (not at all); or into a local model's "
            "weights: alphaedit, dem, ft-m, memit, pmet or rome."
        ),
    ] = "memory",
    model: Model = DEFAULT_MODEL,
    data: Annotated[
        str | None,
        typer.Option(
            envvar="MEMEDIT_DATA",
            help="The data set's file, a folder that holds it, or "
            "hf://datasets/OWNER/NAME/PATH for a file on the hub.",
            show_default="from the hub, where 'eval list' says so",
        ),
    ] = None,
    k: Annotated[
        str | None,
        typer.Option(
            help="How many edits are live at once: a number or 'all'; several with commas, such "
            "as 1,100,all, are run one after the other.",
            show_default="the suite's",
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only the data's first N records.")
    ] = None,
    asked: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Ask about so many cases only, drawn by the seed, with the edits of all live.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="The run's folder; or a .json file for the result, with the folder beside it.",
            show_default="a folder in the cache",
        ),
    ] = None,
    sequential: Annotated[
        bool,
        typer.Option(
            "--sequential",
            help="Edit one case after the other, ask after each, and ask about all at the end.",
        ),
    ] = False,
    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="In sequential editing, apply the edits of so many cases together.",
            show_default="the suite's",
        ),
    ] = None,
    setting: Annotated[
        Setting | None,
        typer.Option(
            help="What is live beside the edits: nothing, the data set's own facts, or these among "
            "many others.",
            show_default="the suite's",
        ),
    ] = None,
    seed: Annotated[
        int, typer.Option(help="Decides which edits are live together, samples and intervals.")
    ] = SEED,
    alone: Annotated[
        int,
        typer.Option(
            min=0,
            help="About so many questions, of whole cases, are also asked one at a time, to time "
            "answers and to check that batches changed nothing; 0 for none.",
        ),
    ] = ALONE,
    max_tokens: Annotated[
        int | None,
        typer.Option(min=1, help="Longest answer, in tokens.", show_default="the suite's"),
    ] = None,
    hparams: Annotated[
        str | None,
        typer.Option(
            help="Settings of a method that edits weights: a family's name or a TOML file.",
            show_default="those for the model's family",
        ),
    ] = None,
    base_url: BaseUrl = None,
    completion: Annotated[
        bool,
        typer.Option(
            "--completion",
            help="Let a local model go on from prompts as plain text, without chat turns, as "
            "papers on editing weights do.",
        ),
    ] = False,
    dtype: Annotated[
        Number | None,
        typer.Option(help="A local model's number format.", show_default="as stored"),
    ] = None,
    json: Json = False,
) -> None:
    """Run a suite, or go on with a run that was stopped; a finished one is shown.

    Writes result.json, report.md and report.html and prints the figures.
    """
    options = {
        "method": method,
        "model": _without_folder(model),
        "k": k,
        "limit": limit,
        "asked": asked,
        "sequential": sequential,
        "batch_size": batch_size,
        "setting": setting,
        "seed": seed,
        "alone": alone,
        "max_tokens": max_tokens,
        "hparams": hparams,
        "base_url": base_url,
        "completion": completion,
        "dtype": dtype,
    }
    try:
        chosen = _suite(suite, k, sequential, batch_size, max_tokens, setting)
        with watching(inside=True) as watch:
            job = _job(suite, chosen, data, model, options, watch)
            try:
                folder, result = _finished(job, out)
            finally:
                job.method.close()
        reports = recorded.write_reports(folder, result)
    except KeyboardInterrupt:
        note("Stopped. The same command goes on from here.")
        raise typer.Exit(130) from None
    recorded.show(result, json)
    note(f"Everything is in {folder}; the report to read is {reports[-1].name}.")


@app.command("list")
def list_(json: Json = False) -> None:
    """List the suites and the files they read."""
    from memedit.evaluate.datasets import reader
    from memedit.evaluate.suite import load_suite, suite_names

    suites = [load_suite(name) for name in suite_names()]
    readers = [reader(suite.dataset) for suite in suites]
    pairs = list(zip(suites, readers, strict=True))
    if json:
        as_json([s.model_dump(mode="json") | {"files": r.files, "hub": r.hub} for s, r in pairs])
        return
    table(
        ("suite", "what it measures", "its file is called like", "on the hub"),
        [(s.name, s.description, ", ".join(r.files), "yes" if r.hub else "") for s, r in pairs],
    )


app.command("compare")(recorded.compare)
app.command("report")(recorded.report)
app.command("lm-eval")(lm_eval)


# -- internal ------------------------------------------------------------------------------------


def _suite(
    name: str,
    k: str | None,
    sequential: bool,
    batch_size: int | None,
    max_tokens: int | None,
    setting: Setting | None,
) -> Suite:
    """The suite, changed as the options say."""
    from memedit.evaluate.suite import load_suite, parse_k

    changes: dict[str, Any] = {}
    if k is not None:
        changes["k"] = parse_k(k)
    if sequential:
        changes["protocol"] = "sequential"
    if max_tokens is not None:
        changes["max_tokens"] = max_tokens
    if setting is not None:
        changes["setting"] = setting.value
    if batch_size is not None:
        changes["batch_size"] = batch_size
    suite = load_suite(name).model_copy(update=changes)
    if batch_size is not None and suite.protocol != "sequential":
        raise typer.BadParameter("--batch-size is for --sequential editing.")
    return suite


def _job(
    name: str, suite: Suite, data: str | None, model: str, options: dict[str, Any], watch: Watch
) -> Job:
    """The job, with data and model loaded."""
    from memedit.evaluate.datasets import load_dataset
    from memedit.evaluate.methods import check_method, make_method
    from memedit.evaluate.runner import Job
    from memedit.models.load import load_model

    found = load_dataset(suite.dataset, data)
    check_method(options["method"])
    dtype = options["dtype"]
    with working(f"Loading {model} ..."):
        how = {"dtype": dtype.value} if dtype else {}
        chat = load_model(model, base_url=options["base_url"], **how)
        if options["completion"]:
            chat = _going_on(chat)
        method = make_method(
            options["method"],
            chat,
            hparams=options["hparams"],
            seed=options["seed"],
            watch=watch,
        )
    return Job(
        suite=suite,
        method=method,
        model=chat,
        model_name=options["model"],
        data=found,
        seed=options["seed"],
        limit=options["limit"],
        asked=options["asked"],
        alone=options["alone"],
        command=_command(name, data=_data_name(data, found.path), **options),
    )


def _going_on(model: BaseChatModel) -> BaseChatModel:
    """The model without chat turns."""
    from memedit.models.local import LocalChatModel

    if not isinstance(model, LocalChatModel):
        raise EvaluationError(
            "completion: a model behind a server is only asked in chat turns.",
            hint="Leave --completion out, or take a local model.",
        )
    return model.model_copy(update={"completion": True})


def _finished(job: Job, out: Path | None) -> tuple[Path, Result]:
    """The run's folder and its result, from this process or from an earlier one."""
    from memedit.evaluate.folder import RESULT
    from memedit.evaluate.runner import key_of, run

    folder = out.with_suffix("") if out is not None and out.suffix == ".json" else out
    if folder is None:
        name = f"{job.suite.name}-{job.method.name}-{key_of(job.identity())}"
        folder = home() / "runs" / name
    earlier = (folder / RESULT).exists()
    result = run(job, folder, home() / "runs", stage)
    if earlier:
        note("This run was finished before; these are its figures. Delete its folder to run anew.")
    if out is not None and out != folder:
        recorded.copy_result(folder, out)
    return folder, result


def _command(suite: str, **options: Any) -> str:
    """The command line that reproduces a run, without the folders of this machine."""
    defaults = {"seed": SEED, "alone": ALONE, "model": DEFAULT_MODEL}
    words = ["memedit", "eval", Path(suite).name if suite.endswith(".toml") else suite]
    words += ["--data", options.pop("data")]
    for name, value in options.items():
        if value is None or value is False or defaults.get(name) == value:
            continue
        words.append("--" + name.replace("_", "-"))
        if value is not True:
            words.append(Path(value).name if str(value).endswith(".toml") else str(value))
    return shlex.join(words)


def _data_name(data: str | None, path: Path) -> str:
    """What ``--data`` has to be for the same file: its name, or where on the hub it is."""
    from memedit.evaluate.datasets.registry import HUB, HUB_PREFIX

    if data is None or data == HUB:
        return HUB
    return data if data.startswith(HUB_PREFIX) else path.name


def _without_folder(model: str) -> str:
    path = Path(model).expanduser()
    return path.resolve().name if path.exists() else model
