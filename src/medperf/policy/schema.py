"""Which facts there are, in Cedar's own words: what is not here, no policy can ask for.

The schema is the reference for people who write policies by hand, and the check of what the
platform puts into a request: facts that do not fit it are answered with *deny*.
"""

from medperf.policy.actions import Scope

_SHARED = """\
// Numbers are those the platform shows: Organization::"3" is organization 3.
entity Organization;
entity Benchmark in [Organization] = {
  digest: String,
  clinical_task: String,
  preparator_digest: String,
  evaluator_digest: String
};

// How many different people have said yes to this so far.
type Approvals = { n: Long, includes_starter: Bool };
"""

_SITE = """
// Who asks: a model, which belongs to the organization that owns it.
entity Model in [Organization] = { digest: String };
// For what: a dataset of this site. `n_cases` is 0 where it is not known.
entity Dataset in [Organization] = { fingerprint: String, n_cases: Long };

// Agreements in force now that this site's organization signed, too. `with_...` holds the
// kinds: "membership", "data_use".
type Agreements = {
  ids: Set<Long>,
  digests: Set<String>,
  with_model_owner: Set<String>,
  with_benchmark_owner: Set<String>
};

// Uses of this dataset before this one, counted in the site's own ledger.
type Counts = {
  executions: Long,
  executions_of_model: Long,
  executions_of_model_owner: Long,
  executions_of_benchmark: Long,
  models: Long,
  releases: Long,
  releases_of_model: Long
};

// What the site's runner offers now.
type Isolation = {
  runner: String,
  has_network: Bool,
  has_read_only_root: Bool,
  has_capabilities: Bool,
  is_root: Bool,
  is_attested: Bool
};

// What would leave.
type Document = { size_bytes: Long, n_suppressed: Long };

action run, runUnattended appliesTo {
  principal: [Model],
  resource: [Dataset],
  context: {
    now: datetime,
    purpose: String,
    benchmark: Benchmark,
    counts: Counts,
    isolation: Isolation,
    agreements: Agreements,
    approvals: Approvals
  }
};

action release, releaseUnattended appliesTo {
  principal: [Model],
  resource: [Dataset],
  context: {
    now: datetime,
    purpose: String,
    benchmark: Benchmark,
    counts: Counts,
    isolation: Isolation,
    agreements: Agreements,
    approvals: Approvals,
    document: Document
  }
};
"""

_SERVER = """
// Agreements in force now that the asking organization signed, too.
type Agreements = {
  ids: Set<Long>,
  digests: Set<String>,
  with_benchmark_owner: Set<String>
};

// Who asks: the organization of the dataset or the model. For what: the benchmark.
action associate, associateUnattended appliesTo {
  principal: [Organization],
  resource: [Benchmark],
  context: {
    now: datetime,
    kind: String, // "dataset" or "model"
    digest: String, // the dataset's fingerprint or the model's digest
    n_cases: Long, // 0 for models
    n_associated: Long, // how many of this kind take part already
    has_compatibility_test: Bool,
    agreements: Agreements,
    approvals: Approvals
  }
};
"""

SCHEMAS = {Scope.SITE: _SHARED + _SITE, Scope.SERVER: _SHARED + _SERVER}
"""The Cedar schema of each scope."""
