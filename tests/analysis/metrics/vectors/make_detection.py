"""Writes ``detection.json`` with pycocotools 2.0 and panoptica 2.1 (both only needed here).

``python make_detection.py``. Boxes are x, y, x, y corners; instance maps are small images.
"""

import contextlib
import io
import json
from pathlib import Path

import numpy as np
from panoptica import InputType, NaiveThresholdMatching, Panoptica_Evaluator
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def main() -> None:
    """Write two sets of boxes and three pairs of instance maps."""
    rng = np.random.default_rng(11)
    document = {
        "source": "pycocotools 2.0, panoptica 2.1; see make_detection.py",
        "boxes": [boxes(rng, n_cases) for n_cases in (6, 15)],
        "instances": [instances(rng) for _ in range(3)],
    }
    place = Path(__file__).with_name("detection.json")
    place.write_text(json.dumps(document) + "\n")


def boxes(rng: np.random.Generator, n_cases: int) -> dict:
    """Cases whose predictions are shifted references and false positives."""
    cases = []
    for _ in range(n_cases):
        corner = rng.uniform(0, 80, (rng.integers(0, 5), 2)).round(1)
        reference = np.hstack([corner, corner + rng.uniform(8, 20, corner.shape).round(1)])
        kept = reference[rng.random(len(reference)) < 0.8]
        shifted = kept + rng.normal(0, 1.5, kept.shape).round(1)
        corner = rng.uniform(0, 80, (rng.integers(0, 3), 2)).round(1)
        false = np.hstack([corner, corner + rng.uniform(8, 20, corner.shape).round(1)])
        predicted = np.vstack([shifted, false])
        cases.append(
            {
                "reference": reference.round(1).tolist(),
                "predicted": predicted.round(1).tolist(),
                "scores": rng.permutation(100)[: len(predicted)].astype(float).tolist(),
            }
        )
    return {"cases": cases, "values": coco(cases)}


def coco(cases: list[dict]) -> dict:
    """What the evaluation program of COCO says."""
    gt, dt = [], []
    for image, case in enumerate(cases, start=1):
        for box in case["reference"]:
            wide, high = box[2] - box[0], box[3] - box[1]
            gt.append(
                {
                    "id": len(gt) + 1,
                    "image_id": image,
                    "category_id": 1,
                    "iscrowd": 0,
                    "bbox": [box[0], box[1], wide, high],
                    "area": wide * high,
                }
            )
        for box, score in zip(case["predicted"], case["scores"], strict=True):
            wide, high = box[2] - box[0], box[3] - box[1]
            dt.append(
                {
                    "image_id": image,
                    "category_id": 1,
                    "score": score,
                    "bbox": [box[0], box[1], wide, high],
                }
            )
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO()
        truth.dataset = {
            "images": [{"id": k + 1} for k in range(len(cases))],
            "annotations": gt,
            "categories": [{"id": 1}],
            "info": {},
        }
        truth.createIndex()
        run = COCOeval(truth, truth.loadRes(dt), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return {
        "ap_coco101_iou@0.50-0.95": float(run.stats[0]),
        "ap_coco101_iou@0.50": float(run.stats[1]),
        "ap_coco101_iou@0.75": float(run.stats[2]),
    }


def instances(rng: np.random.Generator) -> dict:
    """Squares that moved a little, one lost and one made up."""
    reference, predicted = np.zeros((2, 40, 40), dtype=np.uint8)
    for number, place in enumerate(((3, 3), (3, 22), (22, 3), (22, 22)), start=1):
        size = int(rng.integers(6, 12))
        x, y = place
        dx, dy = rng.integers(-2, 3, 2)
        if number != 4:
            reference[x : x + size, y : y + size] = number
        if number != 1:
            predicted[x + dx : x + dx + size, y + dy : y + dy + size] = 5 - number
    run = Panoptica_Evaluator(
        expected_input=InputType.UNMATCHED_INSTANCE,
        instance_matcher=NaiveThresholdMatching(matching_threshold=0.5),
        verbose=False,
        log_times=False,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        found = run.evaluate(predicted, reference)
    result = next(iter(found.values())) if isinstance(found, dict) else found
    return {
        "reference": reference.tolist(),
        "predicted": predicted.tolist(),
        "values": {
            "panoptic_quality_iou@0.50": float(result.pq),
            "detection_f1_iou@0.50": float(result.rq),
        },
    }


if __name__ == "__main__":
    main()
