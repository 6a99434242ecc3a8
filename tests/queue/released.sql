-- The tables that the first release made in SQLite, as SQLite tells them.
CREATE TABLE schema_version ( version INTEGER NOT NULL, PRIMARY KEY (version) );
CREATE TABLE counters ( name VARCHAR(32) NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (name) );
CREATE TABLE jobs ( id VARCHAR(64) NOT NULL, spec TEXT NOT NULL, state VARCHAR(16) NOT NULL, project VARCHAR(64) NOT NULL, priority INTEGER NOT NULL, created_at FLOAT NOT NULL, updated_at FLOAT NOT NULL, seq INTEGER NOT NULL, cancel_requested BOOLEAN NOT NULL, pause_requested BOOLEAN NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (id) );
CREATE INDEX jobs_by_state ON jobs (state, created_at);
CREATE INDEX jobs_by_age ON jobs (created_at, id);
CREATE TABLE tasks ( id VARCHAR(160) NOT NULL, job VARCHAR(64) NOT NULL, position INTEGER NOT NULL, state VARCHAR(16) NOT NULL, attempt INTEGER NOT NULL, failures INTEGER NOT NULL, not_before FLOAT NOT NULL, checkpoint VARCHAR(64), worker VARCHAR(200), lease_expires_at FLOAT, token INTEGER, result TEXT, PRIMARY KEY (id), FOREIGN KEY(job) REFERENCES jobs (id) );
CREATE INDEX tasks_by_state ON tasks (state, not_before);
CREATE INDEX ix_tasks_job ON tasks (job);
CREATE TABLE events ( position INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, job VARCHAR(64) NOT NULL, seq INTEGER NOT NULL, at FLOAT NOT NULL, kind VARCHAR(16) NOT NULL, body TEXT NOT NULL, UNIQUE (job, seq), FOREIGN KEY(job) REFERENCES jobs (id) );
CREATE TABLE attempts ( token INTEGER NOT NULL, job VARCHAR(64) NOT NULL, task VARCHAR(160) NOT NULL, attempt INTEGER NOT NULL, worker VARCHAR(200) NOT NULL, started FLOAT NOT NULL, ended FLOAT, outcome VARCHAR(16), cause TEXT NOT NULL, reason TEXT NOT NULL, PRIMARY KEY (token), UNIQUE (task, attempt), FOREIGN KEY(job) REFERENCES jobs (id), FOREIGN KEY(task) REFERENCES tasks (id) );
CREATE INDEX ix_attempts_job ON attempts (job);
INSERT INTO schema_version VALUES (1);
INSERT INTO counters VALUES ('tokens', 0);
