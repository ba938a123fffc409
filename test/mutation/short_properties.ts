import * as fc from "fast-check";

/** The same cases for every mutant, and fewer of them. */
fc.configureGlobal({ numRuns: 60, seed: 42 });
