"""``memedit bake``, ``bakes``, ``unbake`` and ``adapter``: edits in and out of the weights."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from memedit.cli import options, output
from memedit.cli.session import session
from memedit.cli.stages import watching
from memedit.errors import QueryError
from memedit.settings import DEFAULT_MODEL, home

if TYPE_CHECKING:
    from langchain_core.language_models import BaseChatModel

    from memedit.baking.canaries import Harm
    from memedit.baking.report import BakeReport, UnbakeReport
    from memedit.memory import BakeRecord


def bake(
    ctx: typer.Context,
    select: Annotated[
        list[str],
        typer.Option(
            help="Active edits: an id, tag:NAME, source:NAME, subject:NAME, relation:NAME or all; "
            "repeatable."
        ),
    ],
    method: Annotated[
        str, typer.Option(help="What writes them: memit, alphaedit, pmet, dem, rome or ft-m.")
    ] = "memit",
    limit: Annotated[
        int | None, typer.Option(min=1, help="At most this many, the oldest first.")
    ] = None,
    settings: Annotated[
        str | None,
        typer.Option(
            help="The method's settings: a family's name or a TOML file.",
            show_default="those for the model's family",
        ),
    ] = None,
    corpus: Annotated[
        Path | None,
        typer.Option(
            help="A text file to read second moments from.", show_default="the model's own samples"
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Compute and verify, but change nothing.")
    ] = False,
    max_relative: Annotated[
        float | None, typer.Option(help="Give up where a weight changes by a larger share.")
    ] = None,
    max_kl: Annotated[
        float | None, typer.Option(help="Give up where canary texts diverge more, in nats a token.")
    ] = None,
    max_perplexity: Annotated[
        float | None, typer.Option(help="Give up where their perplexity grows by a larger factor.")
    ] = None,
    min_locality: Annotated[
        float | None,
        typer.Option(help="Give up where a smaller share of answers about other subjects is kept."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Decides everything random.")] = 0,
    model: options.Model = DEFAULT_MODEL,
    json: options.Json = False,
) -> None:
    """Write edits into the model's weights, and take those that verify out of the lookup path.

    Every edit is asked of the changed weights alone, by its prompt, its question and its
    paraphrases. One that is not answered rightly, or that the lookup would take for another one,
    stays in memory. Interrupted, everything is as before; `unbake` undoes it later, to the last
    bit.
    """
    from memedit.bake import Moments, get_method, load_settings
    from memedit.baking import make
    from memedit.baking import select as choosing
    from memedit.baking.canaries import Limits
    from memedit.baking.weights import engine_of
    from memedit.pipeline import EditedModel

    given = {
        "relative": max_relative, "kl": max_kl, "perplexity": max_perplexity,
        "locality": min_locality,
    }  # fmt: skip
    logging.getLogger("memedit.bake.memory").setLevel(logging.INFO)
    limits = Limits(**{name: value for name, value in given.items() if value is not None})
    how = get_method(method)
    with session(ctx).memory() as memory:
        edits = choosing.select(memory, select, limit)
        chat = _load(model)
        chosen = load_settings(method, engine_of(chat).model, source=settings)
        try:
            with watching() as watch:
                report = make.bake(
                    memory, chat, edits, how, chosen,
                    moments=Moments(home() / "moments", corpus), limits=limits, seed=seed,
                    dry_run=dry_run, watch=watch, routes=EditedModel(chat, memory).routes_if,
                )  # fmt: skip
        except KeyboardInterrupt:
            output.note("Stopped. The weights and the store are as they were.")
            raise typer.Exit(130) from None
    if json:
        output.as_json(report)
    else:
        _show(report)
    if report.state == "aborted":
        raise typer.Exit(1)


def bakes(
    ctx: typer.Context,
    all: Annotated[bool, typer.Option("--all", help="Also those that were taken out.")] = False,
    json: options.Json = False,
) -> None:
    """List what lives in weights."""
    with session(ctx).memory() as memory:
        found = memory.bakes(all=all)
        there = {bake.id: memory.delta_path(bake.id).is_file() for bake in found}
    if json:
        output.as_json(found)
    elif found:
        output.table(
            ["id", "made", "method", "model", "base", "edits", "baked", "state"],
            [(b.id, f"{b.made.astimezone():%Y-%m-%d %H:%M:%S}", b.method, b.model, b.base, b.edits,
              b.baked, _state(b, there[b.id])) for b in found],
        )  # fmt: skip
    else:
        output.note("Nothing is baked.")


def unbake(
    ctx: typer.Context,
    bake_ids: Annotated[list[str] | None, typer.Argument(help="Ids of bakes.")] = None,
    all: Annotated[bool, typer.Option("--all", help="Every live bake.")] = False,
    model: options.Model = DEFAULT_MODEL,
    json: options.Json = False,
) -> None:
    """Take bakes out of the weights: memory answers their edits again.

    Out of order, the model is loaded and what stays baked is asked again; edits that no longer hold
    return to memory as well.
    """
    if bool(bake_ids) == all:
        raise typer.BadParameter("Give ids of bakes, or --all.")
    from memedit.baking.undo import unbake as take_out

    with session(ctx).memory() as memory:
        ids = [bake.id for bake in memory.bakes()] if all else bake_ids or []
        try:
            with watching() as watch:
                report = take_out(memory, ids, lambda: _load(model), watch=watch)
        except KeyboardInterrupt:
            output.note("Stopped. The bakes are as they were.")
            raise typer.Exit(130) from None
    if json:
        output.as_json(report)
    else:
        _tell(report)


def adapter(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Where to write it; made where it is missing.")],
    model: options.Model = DEFAULT_MODEL,
    json: options.Json = False,
) -> None:
    """Write what is baked as a LoRA adapter, for programs that know nothing of memedit.

    PEFT loads it onto the same model and switches it on and off; edits that memory answers are not
    in it.
    """
    from memedit.baking.export import write_adapter

    with session(ctx).memory() as memory:
        written = write_adapter(memory, _load(model), folder)
    if json:
        output.as_json(written)
    else:
        output.say(
            f"Wrote {', '.join(bake.id for bake in written)} to {folder}. Load it with: "
            f"PeftModel.from_pretrained(model, {str(folder)!r})"
        )


# -- internal --------------------------------------------------------------------------------------


def _load(name: str) -> BaseChatModel:
    from memedit.models import load

    if name.startswith(load.OPENAI_PREFIX):
        raise QueryError(
            f"model: {name!r} is behind a server, and its weights are not here.",
            hint="Bake into a local model: the embedded one, a folder, a hub id or a GGUF file.",
        )
    with output.working(f"Loading {name} ..."):
        return load.load_local_model(name)


def _show(report: BakeReport) -> None:
    rows = [
        (
            one.edit.id,
            one.edit.stated,
            one.what,
            f"{sum(asked.right for asked in one.asked)}/{len(one.asked)}" if one.asked else "",
            one.why,
        )
        for one in report.outcomes
    ]
    output.table(["edit", "says", "outcome", "right", "why"], rows)
    if report.harm is not None:
        output.table(["what else changed", "value"], _harm(report.harm))
    counts = ", ".join(
        f"{report.count(what)} {what}"
        for what in ("baked", "kept", "refused", "changed", "returned")
        if report.count(what)
    )
    if report.state == "aborted":
        output.fail(f"Given up: {report.why}. The weights and the store are as they were.")
    elif report.state == "dry run":
        output.say(f"A dry run, nothing was changed; it would be: {counts}.")
    else:
        output.say(f"Bake {report.bake}: {counts}. Undo it with: memedit unbake {report.bake}")


def _harm(harm: Harm) -> list[tuple[str, str]]:
    return [
        ("largest |change| / |weight|", f"{harm.relative:.3g}"),
        ("KL on canary texts", f"{harm.kl:.3g} nats a token"),
        (
            "perplexity on canary texts",
            f"x {harm.perplexity:.4f} (was {harm.perplexity_before:.2f})",
        ),
        (
            "answers about other subjects kept",
            f"{100 * harm.locality:.1f} % of the tokens of {harm.asked}",
        ),
    ]


def _state(bake: BakeRecord, there: bool) -> str:
    if bake.state == "live" and not there:
        return "live, but its delta file is missing: the next question returns its edits to memory"
    return bake.state


def _tell(report: UnbakeReport) -> None:
    if not report.bakes:
        output.note("None of these is live.")
        return
    shaken = len(report.shaken)
    output.say(
        f"Took out {', '.join(report.bakes)}: memory answers {len(report.returned)} of its edits "
        "again."
    )
    if shaken or report.verified:
        output.say(
            f"Of the edits that stay baked {report.verified} still hold; {shaken} do not and "
            "returned to memory."
        )
    if shaken:
        output.table(
            ["edit", "says", "why"], [(o.edit.id, o.edit.stated, o.why) for o in report.shaken]
        )
