"""CLAIM, the 2024 update, for AI in medical imaging: 44 items."""

from medperf.evidence.checklists.items import Checklist, Item

CLAIM = Checklist(
    name="claim",
    title="CLAIM 2024",
    source="Tejani et al., Radiology: Artificial Intelligence 2024;6(4):e240300",
    compared=(
        "Numbers and scope were compared with the list that the Radiological Society of North"
        " America keeps in public (the repository RSNA/CLAIM), not with the paper itself."
    ),
    remark="Answer it where the inputs are images.",
    items=(
        Item("1", "Named as a study of AI, with its kind"),
        Item("2", "Summary of design, methods, results and conclusions"),
        Item("3", "Background, intended use and role", "question", is_partial=True),
        Item("4", "Aims and hypotheses", "objective"),
        Item("5", "Prospective or retrospective", "design", is_partial=True),
        Item("6", "Goal of the study", "objective"),
        Item("7", "Sources of data", "sources", is_partial=True),
        Item("8", "Inclusion and exclusion"),
        Item("9", "Preprocessing", "preparation", is_partial=True),
        Item("10", "Selection of subsets of the data", "subsets", is_partial=True),
        Item("11", "De-identification", "deidentification", is_partial=True),
        Item("12", "Missing data", "missing", is_partial=True),
        Item("13", "Image acquisition"),
        Item("14", "How the reference standard was obtained", "reference", is_partial=True),
        Item("15", "Why this reference standard"),
        Item("16", "Source of the reference annotations"),
        Item("17", "Annotation of the test set"),
        Item("18", "Variability between and within annotators"),
        Item("19", "Assignment of data to partitions", "partitions", is_partial=True),
        Item("20", "Level at which partitions are disjoint", "partitions", is_partial=True),
        Item("21", "Intended sample size", "sample_size", is_partial=True),
        Item("22", "Description of the model", "models", is_partial=True),
        Item("23", "Software, frameworks and packages", "software", is_partial=True),
        Item(
            "24", "Initialization of parameters", "training", is_partial=True, of_development=True
        ),
        Item("25", "Training", "training", is_partial=True, of_development=True),
        Item("26", "Choice of the final model", "training", is_partial=True, of_development=True),
        Item("27", "Ensembling", of_development=True),
        Item("28", "Measures of performance", "metrics"),
        Item("29", "Significance and uncertainty", "uncertainty"),
        Item("30", "Robustness and sensitivity", "robustness", is_partial=True),
        Item("31", "Explainability"),
        Item("32", "Evaluation on internal data", of_development=True),
        Item("33", "Testing on external data", "external", is_partial=True),
        Item("34", "Registration of a trial", "registration", is_partial=True),
        Item("35", "Numbers of patients or examinations in and out", "flow", is_partial=True),
        Item("36", "Characteristics of cases in each partition", "cohort", is_partial=True),
        Item("37", "Performance, with its uncertainty", "results"),
        Item("38", "Diagnostic performance, with its precision", "results"),
        Item("39", "Analysis of incorrect results", "errors", is_partial=True),
        Item("40", "Limitations", "limitations", is_partial=True),
        Item("41", "Implications for practice"),
        Item("42", "Protocol, or further technical detail", "protocol"),
        Item("43", "Availability of software, model and data", "code_sharing", is_partial=True),
        Item("44", "Funding and role of funders"),
    ),
)
