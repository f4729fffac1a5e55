-- Times are milliseconds since 1970; 0 stands for never.

CREATE TABLE account_users (
  user_id TEXT PRIMARY KEY,
  password TEXT NOT NULL,
  admin BOOLEAN NOT NULL DEFAULT FALSE,
  locked BOOLEAN NOT NULL DEFAULT FALSE,
  suspended BOOLEAN NOT NULL DEFAULT FALSE,
  deactivated BOOLEAN NOT NULL DEFAULT FALSE,
  created BIGINT NOT NULL
);

CREATE TABLE account_devices (
  user_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  display_name TEXT NOT NULL,
  created BIGINT NOT NULL,
  PRIMARY KEY (user_id, device_id)
);

-- hash is the SHA-256 of a token; the token itself is never stored. parent is the
-- refresh token that gave this one, until this one is used.
CREATE TABLE account_tokens (
  hash BYTEA PRIMARY KEY,
  user_id TEXT NOT NULL,
  device_id TEXT NOT NULL,
  refresh BOOLEAN NOT NULL,
  expires BIGINT NOT NULL,
  parent BYTEA
);
CREATE INDEX account_tokens_of_device ON account_tokens (user_id, device_id);
