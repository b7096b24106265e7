//! The one thread that writes, and the tickets that its callers wait on.
//!
//! Commands are drained into groups of at most [`GROUP`]: one transaction, one fsync. Each has a savepoint, so that one
//! that fails takes nothing of its neighbours along. Answers go out after the COMMIT. A command that nothing new depends on
//! is *patient*: it waits a moment for others to share its commit with.

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, Connection, Params};

use crate::Error;
use crate::journal::{self, Head, Of};

/// Commands in one transaction at most.
const GROUP: usize = 256;
/// So long does a patient command wait for others. At most so much later is it durable; its order does not change.
const PATIENCE: Duration = Duration::from_millis(20);
/// The name of this place at the points of `durable`.
const STORE: &str = "store";

/// The answer to a write, given after its COMMIT: `.wait()` in a thread, `.await` in a task. A ticket that is dropped
/// withdraws nothing: the write happens.
#[derive(Debug)]
#[must_use = "a write can fail; wait for it or await it"]
pub struct Ticket<T>(oneshot::Receiver<Result<T, Error>>);

impl<T> Ticket<T> {
    /// Blocks until the write is durable or has failed.
    ///
    /// # Errors
    /// What the operation says, or what the COMMIT of its group says, or `store-closed`.
    pub fn wait(self) -> Result<T, Error> {
        self.0.recv().unwrap_or(Err(Error::Closed))
    }
}

impl<T> IntoFuture for Ticket<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Answered<T>;

    fn into_future(self) -> Answered<T> {
        Answered(self.0.into_future())
    }
}

/// A [`Ticket`] being awaited.
#[derive(Debug)]
pub struct Answered<T>(oneshot::AsyncReceiver<Result<T, Error>>);

impl<T> Future for Answered<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(cx).map(|answer| answer.unwrap_or(Err(Error::Closed)))
    }
}

/// Told how the COMMIT went, gives the answer.
type Reply = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// A command: given the ledger, or why there is none, it says whether it failed and how to answer.
pub(crate) type Job = Box<dyn FnOnce(Result<&mut Ledger, Error>) -> (Result<(), Error>, Reply) + Send>;

/// A command in the queue.
pub(crate) struct Queued {
    pub(crate) job: Job,
    pub(crate) patient: bool,
}

/// Packs an operation and its ticket.
pub(crate) fn job<T, F>(during: &'static str, operation: F) -> (Job, Ticket<T>)
where
    T: Send + 'static,
    F: FnOnce(&mut Ledger) -> Result<T, Error> + Send + 'static,
{
    let (sender, receiver) = oneshot::channel();
    let job: Job = Box::new(move |ledger| {
        let result = ledger.and_then(operation).map_err(|e| e.in_operation(during));
        let outcome = result.as_ref().map(|_| ()).map_err(Clone::clone);
        let reply: Reply = Box::new(move |committed| {
            // a caller that no longer waits is no trouble
            let _ = sender.send(result.and_then(|value| committed.map(|()| value)));
        });
        (outcome, reply)
    });
    (job, Ticket(receiver))
}

/// What a command works on: the connection inside a transaction, and the end of the journal's chain.
pub(crate) struct Ledger {
    conn: Connection,
    head: Head,
}

impl Ledger {
    pub(crate) fn new(conn: Connection) -> Result<Self, Error> {
        let head = journal::head(&conn)?;
        Ok(Self { conn, head })
    }

    /// A statement, prepared once.
    pub(crate) fn prepare(&self, sql: &str) -> Result<CachedStatement<'_>, Error> {
        Ok(self.conn.prepare_cached(sql)?)
    }

    /// Changes rows; returns how many.
    pub(crate) fn execute(&self, sql: &str, params: impl Params) -> Result<usize, Error> {
        Ok(self.prepare(sql)?.execute(params)?)
    }

    /// Inserts a row; returns its number.
    pub(crate) fn insert(&self, sql: &str, params: impl Params) -> Result<i64, Error> {
        Ok(self.prepare(sql)?.insert(params)?)
    }

    /// The first row, if there is one.
    pub(crate) fn find<T>(
        &self,
        sql: &str,
        params: impl Params,
        map: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>, Error> {
        use rusqlite::OptionalExtension;
        Ok(self.prepare(sql)?.query_row(params, map).optional()?)
    }

    /// The connection, for what reads and writes have in common.
    pub(crate) const fn conn(&self) -> &Connection {
        &self.conn
    }

    /// Adds a line to the journal.
    pub(crate) fn log(
        &mut self,
        at: i64,
        actor: &str,
        event: &str,
        of: Of,
        detail: &str,
    ) -> Result<u64, Error> {
        self.head = journal::append(&self.conn, self.head, at, actor, event, of, detail, false)?;
        Ok(self.head.seq)
    }

    /// Adds a line that a person must look at.
    pub(crate) fn alarm(
        &mut self,
        at: i64,
        actor: &str,
        event: &str,
        of: Of,
        detail: &str,
    ) -> Result<u64, Error> {
        self.head = journal::append(&self.conn, self.head, at, actor, event, of, detail, true)?;
        Ok(self.head.seq)
    }
}

/// Runs until every sender is gone.
pub(crate) fn run(mut ledger: Ledger, jobs: &mpsc::Receiver<Queued>) {
    while let Ok(first) = jobs.recv() {
        let group = gather(first, jobs);
        let (replies, committed) = ledger.transact(group);
        for reply in replies {
            reply(committed.clone());
        }
    }
}

/// The next group: all that is there, and as long as all of it is patient, what comes within a moment.
fn gather(first: Queued, jobs: &mpsc::Receiver<Queued>) -> Vec<Job> {
    let until = Instant::now() + PATIENCE;
    let mut patient = first.patient;
    let mut group = vec![first.job];
    loop {
        while group.len() < GROUP
            && let Ok(next) = jobs.try_recv()
        {
            patient &= next.patient;
            group.push(next.job);
        }
        if !patient || group.len() >= GROUP {
            return group;
        }
        match jobs.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(next) => {
                patient &= next.patient;
                group.push(next.job);
            }
            Err(_) => return group,
        }
    }
}

impl Ledger {
    /// One transaction for a group of commands.
    fn transact(&mut self, group: Vec<Job>) -> (Vec<Reply>, Result<(), Error>) {
        let before = self.head;
        let mut replies = Vec::with_capacity(group.len());
        let mut outcome = self.run_sql("BEGIN IMMEDIATE");
        let alone = group.len() == 1;
        for job in group {
            if alone && outcome.is_ok() {
                // it has no neighbour to be kept apart from: the transaction is its savepoint
                let (done, reply) = job(Ok(&mut *self));
                replies.push(reply);
                if done.is_err() {
                    self.head = before;
                    let undone = if self.conn.is_autocommit() { Ok(()) } else { self.run_sql("ROLLBACK") };
                    return (replies, undone);
                }
            } else if outcome.is_ok() {
                outcome = self.guarded(job, &mut replies);
            } else {
                replies.push(job(outcome.clone().map(|()| &mut *self)).1);
            }
        }
        let committed = outcome.and_then(|()| self.commit());
        if committed.is_err() {
            if !self.conn.is_autocommit() {
                let _ = self.run_sql("ROLLBACK");
            }
            self.head = before;
        }
        (replies, committed)
    }

    fn commit(&self) -> Result<(), Error> {
        durable::before(STORE, durable::Step::Commit);
        durable::check(STORE, durable::Step::Commit)
            .map_err(|e| Error::spool("node.db", crate::error::DURABLE, e))?;
        self.run_sql("COMMIT")?;
        durable::witness(STORE, || {
            self.conn.path().map(|db| vec![format!("{db}-wal").into(), db.into()]).unwrap_or_default()
        });
        durable::after(STORE, durable::Step::Commit);
        Ok(())
    }

    /// One command in its savepoint. An error here is one of the whole transaction.
    fn guarded(&mut self, job: Job, replies: &mut Vec<Reply>) -> Result<(), Error> {
        let before = self.head;
        if let Err(error) = self.run_sql("SAVEPOINT command") {
            replies.push(job(Err(error.clone())).1);
            return Err(error);
        }
        let (done, reply) = job(Ok(&mut *self));
        replies.push(reply);
        if self.conn.is_autocommit() {
            // SQLite undoes the whole transaction by itself when the disk is full or fails
            return Err(done.err().unwrap_or(Error::Full("a command")));
        }
        if done.is_err() {
            self.head = before;
            self.run_sql("ROLLBACK TO command")?;
        }
        self.run_sql("RELEASE command")
    }

    fn run_sql(&self, sql: &'static str) -> Result<(), Error> {
        let mut statement = self.conn.prepare_cached(sql).map_err(|e| Error::sqlite(sql, e))?;
        statement.execute([]).map_err(|e| Error::sqlite(sql, e))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use crate::journal::Of;
    use crate::{Class, Error, Store};

    /// Stops the writer until the sender is dropped, so that what comes meanwhile is one group.
    fn hold_writer(store: &Store) -> (mpsc::Sender<()>, super::Ticket<()>) {
        let (go, wait) = mpsc::channel::<()>();
        let (began, begun) = mpsc::channel();
        let ticket = store.write("waiting", move |_| {
            began.send(()).unwrap();
            let _ = wait.recv();
            Ok(())
        });
        begun.recv().unwrap();
        (go, ticket)
    }

    fn line(store: &Store, text: &str) -> super::Ticket<u64> {
        let text = text.to_owned();
        store.write("line", move |ledger| ledger.log(0, "test", "line", Of::Node, &text))
    }

    #[test]
    fn one_that_fails_takes_nothing_of_its_neighbours_along() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        let (go, waiting) = hold_writer(&store);
        let before = line(&store, "before");
        let bad = store.write::<(), _>("bad", |ledger| {
            ledger.log(0, "test", "half", Of::Node, "")?;
            Err(Error::Bad("on purpose"))
        });
        let after = line(&store, "after");
        drop(go);
        waiting.wait().unwrap();
        let first = before.wait().unwrap();
        assert!(matches!(bad.wait(), Err(Error::Bad("on purpose"))));
        assert_eq!(after.wait().unwrap(), first + 1, "the number of the undone line is used again");
        assert!(store.journal_after(0, 100).unwrap().iter().all(|e| e.event != "half"));
        store.verify_chain().unwrap();
    }

    #[test]
    fn a_patient_command_shares_the_commit_of_the_next_one_and_keeps_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        let patient =
            store.write_patiently("patient", |ledger| ledger.log(0, "test", "line", Of::Node, "first"));
        let next = line(&store, "second");
        let next = next.wait().unwrap();
        assert_eq!(patient.wait().unwrap() + 1, next);
        // and alone it does not wait for ever
        let alone =
            store.write_patiently("patient", |ledger| ledger.log(0, "test", "line", Of::Node, "third"));
        assert_eq!(alone.wait().unwrap(), next + 1);
        store.verify_chain().unwrap();
    }

    #[test]
    fn a_failed_commit_fails_its_whole_group_and_the_writer_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        let (go, waiting) = hold_writer(&store);
        let neighbour = line(&store, "lost");
        let poison = store.write("poison", |ledger| {
            ledger.conn().pragma_update(None, "defer_foreign_keys", true)?;
            let sql = "INSERT INTO hint (doc, position, name, copy) VALUES (999, 0, '', '')";
            ledger.execute(sql, [])?;
            Ok(())
        });
        drop(go);
        // the one before was drained alone; the two after it are one group
        waiting.wait().unwrap();
        for failed in [neighbour.wait().map(|_| ()), poison.wait()] {
            let error = failed.unwrap_err();
            assert_eq!((error.label(), error.class()), ("bad-request", Class::Permanent));
        }
        line(&store, "kept").wait().unwrap();
        let lines = store.journal_after(0, 100).unwrap();
        assert_eq!(lines.iter().filter(|e| e.event == "line").count(), 1);
        store.check().unwrap();
    }

    #[test]
    fn a_full_disk_is_told_as_such_and_ends_when_there_is_room() {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::open(dir.path(), 0).unwrap();
        let limit = |pages: i64| {
            let set = move |ledger: &mut super::Ledger| {
                let now: i64 = ledger.conn().pragma_query_value(None, "page_count", |r| r.get(0))?;
                ledger.conn().pragma_update(None, "max_page_count", now + pages)?;
                Ok(())
            };
            store.write("limit", set).wait().unwrap();
        };
        limit(2);
        let big = "x".repeat(100_000);
        let error = line(&store, &big).wait().unwrap_err();
        assert_eq!((error.label(), error.class()), ("disk-full", Class::Wait));
        line(&store, "small").wait().unwrap();
        limit(1_000_000);
        line(&store, &big).wait().unwrap();
        drop(store);
        let store = Store::open(dir.path(), 0).unwrap();
        let lines = store.journal_after(0, 100).unwrap();
        assert_eq!(
            lines.iter().filter(|e| e.event == "line").map(|e| e.detail.len()).collect::<Vec<_>>(),
            [5, 100_000]
        );
        store.check().unwrap();
    }
}
