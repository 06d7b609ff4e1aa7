-- The shop's records. Amounts are whole cents, dates are ISO 8601, and there is one currency: the limit
-- above which finance approves is a bare number.
-- The rules that guard money stand here, where no program can go round them.

CREATE TABLE customers (
  id   INTEGER PRIMARY KEY,
  mail TEXT NOT NULL UNIQUE CHECK (mail LIKE '_%@_%' AND mail NOT GLOB '*[^!-~]*' AND length(mail) <= 254),
  name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200)
) STRICT;

CREATE TABLE orders (
  number   TEXT PRIMARY KEY CHECK (number GLOB 'GW-[0-9][0-9][0-9][0-9]'),
  customer INTEGER NOT NULL REFERENCES customers (id),
  placed   TEXT NOT NULL CHECK (placed IS date(placed)),
  currency TEXT NOT NULL CHECK (currency = 'EUR')
) STRICT, WITHOUT ROWID;

CREATE INDEX orders_by_customer ON orders (customer);

CREATE TABLE items (
  id           INTEGER PRIMARY KEY,
  order_number TEXT NOT NULL REFERENCES orders (number),
  name         TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 200),
  cents        INTEGER NOT NULL CHECK (cents > 0)
) STRICT;

CREATE INDEX items_by_order ON items (order_number);

CREATE TABLE payments (
  id           TEXT PRIMARY KEY,
  order_number TEXT NOT NULL REFERENCES orders (number),
  cents        INTEGER NOT NULL CHECK (cents > 0),
  paid         TEXT NOT NULL CHECK (paid IS date(paid))
) STRICT, WITHOUT ROWID;

CREATE INDEX payments_by_order ON payments (order_number);

CREATE TABLE refunds (
  key          TEXT PRIMARY KEY CHECK (length(key) > 0),
  payment      TEXT NOT NULL UNIQUE,
  order_number TEXT NOT NULL UNIQUE REFERENCES orders (number), -- an order is refunded once
  payee        TEXT NOT NULL, -- the customer's address on that day
  cents        INTEGER NOT NULL CHECK (cents > 0),
  currency     TEXT NOT NULL,
  made         TEXT NOT NULL CHECK (made IS date(made))
) STRICT, WITHOUT ROWID;

CREATE TRIGGER refund_to_the_customer
BEFORE INSERT ON refunds
WHEN NOT EXISTS (
  SELECT 1 FROM orders JOIN customers ON customers.id = orders.customer
  WHERE orders.number = NEW.order_number AND customers.mail = NEW.payee AND orders.currency = NEW.currency
)
BEGIN
  SELECT raise(ABORT, 'a refund to somebody else than the customer of the order');
END;

CREATE TRIGGER refund_within_what_was_paid
BEFORE INSERT ON refunds
WHEN NEW.cents > (SELECT coalesce(sum(cents), 0) FROM payments WHERE order_number = NEW.order_number)
BEGIN
  SELECT raise(ABORT, 'a refund of more than was paid');
END;

-- INSERT OR REPLACE deletes what is in its way without firing triggers on DELETE, so it is stopped before.
CREATE TRIGGER refund_is_not_replaced
BEFORE INSERT ON refunds
WHEN EXISTS (
  SELECT 1 FROM refunds WHERE key = NEW.key OR payment = NEW.payment OR order_number = NEW.order_number
)
BEGIN
  SELECT raise(ABORT, 'a refund for this key, payment or order is there already');
END;

CREATE TRIGGER refund_is_final
BEFORE UPDATE ON refunds
BEGIN
  SELECT raise(ABORT, 'a refund cannot be changed');
END;

CREATE TRIGGER refund_is_kept
BEFORE DELETE ON refunds
BEGIN
  SELECT raise(ABORT, 'a refund cannot be deleted');
END;

CREATE TRIGGER payment_is_not_replaced
BEFORE INSERT ON payments
WHEN EXISTS (SELECT 1 FROM payments WHERE id = NEW.id)
BEGIN
  SELECT raise(ABORT, 'a payment of this number is there already');
END;

CREATE TRIGGER payment_is_final
BEFORE UPDATE ON payments
BEGIN
  SELECT raise(ABORT, 'a payment cannot be changed');
END;

CREATE TRIGGER payment_is_kept
BEFORE DELETE ON payments
BEGIN
  SELECT raise(ABORT, 'a payment cannot be deleted');
END;

CREATE TABLE parcels (
  order_number TEXT PRIMARY KEY REFERENCES orders (number),
  sent         TEXT NOT NULL CHECK (sent IS date(sent)),
  delivered    TEXT CHECK (delivered IS NULL OR (delivered IS date(delivered) AND delivered >= sent))
) STRICT, WITHOUT ROWID;

CREATE TABLE vouchers (
  key          TEXT PRIMARY KEY CHECK (length(key) > 0),
  code         TEXT NOT NULL UNIQUE CHECK (code GLOB 'V-*'),
  order_number TEXT NOT NULL UNIQUE REFERENCES orders (number), -- an order is made good once
  customer     INTEGER NOT NULL REFERENCES customers (id),
  cents        INTEGER NOT NULL CHECK (cents > 0),
  currency     TEXT NOT NULL CHECK (currency = 'EUR'),
  granted      TEXT NOT NULL CHECK (granted IS date(granted))
) STRICT, WITHOUT ROWID;

CREATE INDEX vouchers_by_customer ON vouchers (customer);

-- What we may give a customer to make good: a tenth of what was paid and not paid back, at most 20.00 in all.
CREATE VIEW goodwill (customer, cents) AS
SELECT customers.id, max(0, min(2000, (
    SELECT coalesce(sum(payments.cents), 0) FROM orders JOIN payments ON payments.order_number = orders.number
    WHERE orders.customer = customers.id
  ) / 10 - (
    SELECT coalesce(sum(refunds.cents), 0) FROM orders JOIN refunds ON refunds.order_number = orders.number
    WHERE orders.customer = customers.id
  ) / 10) - (SELECT coalesce(sum(cents), 0) FROM vouchers WHERE vouchers.customer = customers.id))
FROM customers;

CREATE TRIGGER voucher_for_the_customer
BEFORE INSERT ON vouchers
WHEN NOT EXISTS (SELECT 1 FROM orders WHERE number = NEW.order_number AND customer = NEW.customer)
BEGIN
  SELECT raise(ABORT, 'a voucher for somebody else than the customer of the order');
END;

CREATE TRIGGER voucher_within_goodwill
BEFORE INSERT ON vouchers
WHEN NEW.cents > coalesce((SELECT cents FROM goodwill WHERE customer = NEW.customer), 0)
BEGIN
  SELECT raise(ABORT, 'a voucher of more than the goodwill that is left');
END;

CREATE TRIGGER voucher_is_not_replaced
BEFORE INSERT ON vouchers
WHEN EXISTS (
  SELECT 1 FROM vouchers WHERE key = NEW.key OR code = NEW.code OR order_number = NEW.order_number
)
BEGIN
  SELECT raise(ABORT, 'a voucher for this key, code or order is there already');
END;

CREATE TRIGGER voucher_is_final
BEFORE UPDATE ON vouchers
BEGIN
  SELECT raise(ABORT, 'a voucher cannot be changed');
END;

CREATE TRIGGER voucher_is_kept
BEFORE DELETE ON vouchers
BEGIN
  SELECT raise(ABORT, 'a voucher cannot be deleted');
END;
