-- What is normal for a token, grant or device: learned as it is used, written with the batches that go to D1.
CREATE TABLE baseline (
  actor TEXT PRIMARY KEY,
  normal TEXT NOT NULL,
  at INTEGER NOT NULL
) WITHOUT ROWID;
