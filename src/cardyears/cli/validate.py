"""`cardyears validate`: how far are the estimates from what was measured?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from cardyears.cli.options import calibration, common, examples, known_assumptions, present, said_in
from cardyears.cli.output import put_error

if TYPE_CHECKING:
    from cardyears.validate.validated import Validated


@click.command(
    epilog=examples(
        "validate",
        "validate my-runs.csv --by engine --explain",
        "validate my-runs.csv --calibrate mine.toml",
        "validate my-runs.csv --calibration mine.toml --chart errors.svg",
    )
)
@click.argument("file", required=False)
@click.option(
    "--by",
    default="gpu",
    show_default=True,
    metavar="GROUP",
    help="Group by source, gpu, kind, table, engine or scale.",
)
@click.option("--rows", is_flag=True, help="Every row, and not the worst ones only.")
@click.option("--runs", metavar="FILE", help="Whole trainings too: a table of published device-hours.")
@click.option(
    "--chart", metavar="FILE", help="Write predicted against measured as a chart: .svg, .png, .pdf, .html or .json."
)
@click.option("--calibrate", metavar="FILE.toml", help="Fit the factors that correct the estimates for this cluster.")
@calibration
@common
def validate(
    file: str | None,
    by: str,
    rows: bool,
    runs: str | None,
    chart: str | None,
    calibrate: str | None,
    calibration: str | None,
    as_json: bool,
    lang: str,
    assume: tuple[str, ...],
    catalogue: str | None,
    explained: bool,
    with_sources: bool,
) -> int:
    """How far are the estimates off? Predicted against measured, for the runs that ship or for those of FILE.

    FILE is a CSV table with a row for each measured run: model, gpu, n_gpus, seq_len, and step_time_s,
    tokens_per_s_per_gpu or peak_mem_gib; docs/validate.md has all columns.
    """
    from cardyears.api.validations import validate as ask

    known_assumptions(assume)
    if chart is not None:
        from cardyears.render.chart_file import check_chart_path

        check_chart_path(chart)
    result = ask(file, by=by, rows=rows, runs=runs, calibrate=calibrate, catalogue=catalogue, calibration=calibration)
    if chart is not None:
        charted(result.subject, chart, lang)
    present(result, as_json=as_json, lang=lang, explained=explained, with_sources=with_sources, catalogue=catalogue)
    return _left(result.subject, as_json=as_json, lang=lang)


def _left(made: Validated, *, as_json: bool, lang: str) -> int:
    """The exit code; where no row was predicted the sentence that says so comes after the answer, as part of JSON."""
    from cardyears.validate.validated import nothing

    wrong = nothing(made.found)
    if wrong is None:
        return 0
    if not as_json:
        put_error(wrong.code, wrong.rule, wrong.remedy, as_json=False, language=lang)
    return wrong.exit_code


def charted(made: Validated, path: str, lang: str) -> None:
    """Predicted against measured, as a file."""
    from cardyears.render.chart_file import write_chart
    from cardyears.validate.chart import validate_chart

    write_chart(validate_chart(made, said_in(lang)), path)
