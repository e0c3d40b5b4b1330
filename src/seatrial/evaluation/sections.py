"""The sections of the evaluation page, made from the JSON report alone, so that an old report can be shown again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from seatrial.reports.blocks import facts, figure, note, table
from seatrial.reports.charts import Agreement, Share, agreement_chart, bar_chart, interval_chart, matrix_chart
from seatrial.reports.formatting import count, decimal, percent, points, shorten
from seatrial.reports.page import Section

if TYPE_CHECKING:
    from markupsafe import Markup

__all__ = ["Report", "dataset_section", "measured_sections"]

Report = Mapping[str, Any]

_DRAWN_LABELS = 24
_DRAWN_SLICES = 24
_CONFUSIONS = 20
_LABEL_LETTERS = 40


def measured_sections(report: Report) -> list[Section]:
    """Everything that was measured, in reading order."""
    return [
        _rivals_section(report),
        _confusion_section(report),
        _calibration_section(report),
        _classes_section(report),
        _slices_section(report),
        _mistakes_section(report),
    ]


def dataset_section(report: Report) -> Section:
    """What the rows are: their source, digest, and how many of each label stand in each split."""
    dataset = report["dataset"]
    splits = dataset["splits"]
    rows = [
        [shorten(label, _LABEL_LETTERS), *(count(split["by_label"][label]) for split in splits.values())]
        for label in dataset["labels"]
    ]
    rows.append(["all", *(count(split["rows"]) for split in splits.values())])
    about = facts([("Source", dataset["name"]), ("Digest (SHA-256)", dataset["sha256"])])
    return Section(
        "Data",
        "The test rows share no text and no group with the rows the model was trained on.",
        [about, table(["Label", *splits], rows, numeric=range(1, len(splits) + 1))],
    )


def _rivals_section(report: Report) -> Section:
    rivals = [rival for rival in (report.get("production"), report.get("baseline")) if rival]
    shares = [
        _share(report["subject"], report["accuracy"]),
        *(_share(rival["rival"], rival["accuracy"], prominent=False) for rival in rivals),
    ]
    chart = bar_chart(
        shares,
        limit=report["settings"]["accuracy_floor"],
        name="rivals",
        description="Accuracy of " + ", ".join(f"{share.label}: {percent(share.ratio, 1)}" for share in shares),
    )
    confidence = percent(report["settings"]["confidence"], 0)
    blocks = [figure(chart, f"Bars: accuracy on the same test rows. Lines: exact {confidence} intervals.")]
    if rivals:
        columns = ["Compared with", "Only the model is right", "Only the other is right", "Difference"]
        blocks.append(table(columns, [_rival_row(rival) for rival in rivals], numeric={1, 2, 3}))
    return Section("Against the alternatives", "", blocks)


def _rival_row(rival: Report) -> list[str]:
    paired = rival["paired"]
    gain = (paired["better"] - paired["worse"]) / paired["rows"]
    return [rival["rival"], count(paired["better"]), count(paired["worse"]), points(gain)]


def _confusion_section(report: Report) -> Section:
    labels, matrix = report["dataset"]["labels"], report["confusion"]
    if len(labels) > _DRAWN_LABELS:
        return Section("Confusion", f"The {_CONFUSIONS} most frequent confusions.", [_confusions_table(labels, matrix)])
    wrong = sum(sum(row) - row[place] for place, row in enumerate(matrix))
    chart = matrix_chart(
        matrix, labels, name="confusion", description=f"Confusion matrix: {count(wrong)} answers off the diagonal."
    )
    wide = len(labels) > 4
    caption = "Test rows and their share of the true label."
    return Section("Confusion", "Which label is taken for which.", [figure(chart, caption)], wide=wide)


def _confusions_table(labels: list[str], matrix: list[list[int]]) -> Markup:
    cells = [
        (rows, labels[true], labels[answered])
        for true, row in enumerate(matrix)
        for answered, rows in enumerate(row)
        if rows and true != answered
    ]
    worst = sorted(cells, key=lambda cell: -cell[0])[:_CONFUSIONS]
    rows = [[shorten(true, _LABEL_LETTERS), shorten(answered, _LABEL_LETTERS), count(n)] for n, true, answered in worst]
    return table(["True label", "Answered", "Rows"], rows, numeric={2})


def _calibration_section(report: Report) -> Section:
    calibration = report["calibration"]
    after = f"after temperature {calibration['temperature']:.2f}: error {calibration['calibrated_ece']:.3f}"
    chart = agreement_chart(
        [
            _agreement(f"as served: error {calibration['ece']:.3f}", calibration["bins"]),
            _agreement(after, calibration["calibrated_bins"]),
        ],
        titles=("confidence", "accuracy"),
        name="calibration",
        description=f"Reliability diagram, as served and {after}",
    )
    caption = (
        "On the dashed line confidence is accuracy; below it the model promises too much. Answers stay as served: "
        "the temperature, fitted on the validation rows, is kept for monitoring."
    )
    wide = len(report["dataset"]["labels"]) > 4
    return Section(
        "Calibration", "Whether a confidence of 90% means right nine times in ten.", [figure(chart, caption)], wide
    )


def _agreement(name: str, bins: list[Report]) -> Agreement:
    return Agreement(name, [b["confidence"] for b in bins], [b["accuracy"] for b in bins], [b["rows"] for b in bins])


def _classes_section(report: Report) -> Section:
    rows = [
        [
            shorten(scores["label"], _LABEL_LETTERS),
            *(decimal(scores[name]) for name in ("precision", "recall", "f1")),
            count(scores["rows"]),
            count(scores["predicted"]),
        ]
        for scores in report["classes"]
    ]
    columns = ["Label", "Precision", "Recall", "F1", "True rows", "Answered"]
    return Section("Classes", "", [table(columns, rows, numeric=range(1, 6))])


def _slices_section(report: Report) -> Section:
    least_rows = report["settings"]["slice_rows"]
    slices = report["slices"]
    drawn = sorted(slices, key=lambda part: -part["accuracy"]["rows"])[:_DRAWN_SLICES]
    shares = [
        _share(f"{part['kind']}: {part['name']}", part["accuracy"], prominent=part["accuracy"]["rows"] >= least_rows)
        for part in slices
        if part in drawn
    ]
    chart = interval_chart(
        shares,
        limit=report["settings"]["slice_floor"],
        name="slices",
        description="Accuracy of " + ", ".join(f"{share.label}: {percent(share.ratio, 1)}" for share in shares),
    )
    confidence = percent(report["settings"]["confidence"], 0)
    caption = (
        f"Dots: accuracy. Lines: exact {confidence} intervals. "
        f"Grey: fewer than {count(least_rows)} rows, shown but not judged."
    )
    blocks = [figure(chart, caption)]
    if len(slices) > len(shares):
        blocks.append(note(f"{count(len(slices) - len(shares))} smaller slices stand in evaluation.json only."))
    return Section("Slices", "An average hides the group a model fails.", blocks)


def _mistakes_section(report: Report) -> Section:
    mistakes = report["mistakes"]
    if not mistakes:
        return Section("Worst mistakes", "", [note("Every test row was answered rightly.")])
    rows = [
        [mistake["text"], mistake["true"], mistake["answered"], percent(mistake["confidence"], 1), mistake["domain"]]
        for mistake in mistakes
    ]
    return Section(
        "Worst mistakes",
        f"The {len(rows)} wrong answers the model was surest of. Some may be wrong labels.",
        [table(["Text", "True", "Answered", "Confidence", "Domain"], rows, numeric={3})],
    )


def _share(label: str, accuracy: Report, *, prominent: bool = True) -> Share:
    return Share(label, accuracy["ratio"], accuracy["low"], accuracy["high"], accuracy["rows"], prominent)
