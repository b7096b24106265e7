//! The child process: loads the vendor's module and does what its parent asks, one request at a time.
//!
//! It knows nothing of guards, settings or documents: it turns requests into PKCS#11 calls and return values into
//! replies. Whatever the module does (hang, crash, leak, print), it does it here. The parent speaks over a socket that
//! is this process's standard input; what the module prints goes nowhere, since it might hold anything.

mod module;

use crate::frame;
use crate::protocol::{Reply, Request, Trouble, VERSION};
use module::Module;
use rustix::process::{self, Resource, Rlimit, Signal};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// The whole life of the child process. Returns its exit code when the parent closes the socket.
///
/// Call it before anything else of the program runs: no thread, no runtime, no log.
pub fn main() -> i32 {
    // Dies with the thread that started it, at once, whatever the module does.
    let _ = process::set_parent_process_death_signal(Some(Signal::KILL));
    harden();
    match inherited() {
        Ok(socket) => {
            follow(&socket);
            i32::from(serve(&socket).is_err())
        }
        Err(_) => {
            eprintln!("card-helper: started by di-node, with a socket as standard input; not by hand");
            64
        }
    }
}

/// A PIN is on its way into the module. An orphan must not present it: nobody would count it.
static PIN_IN_MODULE: AtomicBool = AtomicBool::new(false);

/// No core file, no debugger, no `/proc/PID/mem` for other users' eyes: for every process through whose memory a PIN
/// passes. Best effort, for the life of the process.
pub fn harden() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = process::setrlimit(Resource::Core, none);
    let _ = process::set_dumpable_behavior(process::DumpableBehavior::NotDumpable);
}

/// Takes the socket from standard input and puts /dev/null there, so that a module that reads its standard input does
/// not eat requests.
fn inherited() -> io::Result<UnixStream> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.peer_addr()?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?)?;
    Ok(socket)
}

/// Ends this process when the parent is gone while the module hangs. The thread never touches the module.
fn follow(socket: &UnixStream) {
    let Ok(socket) = socket.try_clone() else { return };
    let watch = move || {
        let mut fds = [rustix::event::PollFd::new(&socket, rustix::event::PollFlags::RDHUP)];
        while let Err(rustix::io::Errno::INTR) = rustix::event::poll(&mut fds, None) {}
        // The other thread leaves by itself, and logs out, unless the module holds it.
        let until = Instant::now() + Duration::from_secs(2);
        while !PIN_IN_MODULE.load(Ordering::SeqCst) && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = process::kill_process(process::getpid(), Signal::KILL);
    };
    let _ = std::thread::Builder::new().name("follow".to_owned()).spawn(watch);
}

fn serve(socket: &UnixStream) -> io::Result<()> {
    let mut module = None;
    while let Some(body) = frame::receive(socket, None)? {
        let Ok(request) = frame::decode::<Request>(&body) else {
            return Err(io::ErrorKind::InvalidData.into());
        };
        drop(body);
        PIN_IN_MODULE.store(request.carries_pin(), Ordering::SeqCst);
        durable::before("helper", durable::Step::Card);
        let reply = answer(&mut module, request);
        durable::after("helper", durable::Step::Card);
        PIN_IN_MODULE.store(false, Ordering::SeqCst);
        frame::send(socket, &reply)?;
    }
    if let Some(module) = module {
        module.finish();
    }
    Ok(())
}

fn answer(module: &mut Option<Module>, request: Request) -> Reply {
    let refused = |detail: &str| Reply::Trouble {
        kind: Trouble::Request,
        during: "the request".to_owned(),
        detail: detail.to_owned(),
        rv: 0,
        pin_taken: false,
    };
    match (module, request) {
        (_, Request::Load { version, .. }) if version != VERSION => refused("another version of the helper"),
        (module @ None, Request::Load { module: path, .. }) => match Module::load(&path) {
            Ok((loaded, library)) => {
                *module = Some(loaded);
                Reply::Loaded { version: VERSION, library }
            }
            Err(reply) => reply,
        },
        (Some(_), Request::Load { .. }) => refused("loaded already"),
        (None, _) => refused("not loaded yet"),
        (Some(module), Request::Tokens) => module.tokens(),
        (Some(module), Request::Open { slot }) => module.open(slot),
        (Some(module), Request::Login { pin }) => module.login(&pin),
        (Some(module), Request::Keys) => module.keys(),
        (Some(module), Request::Sign { key, data, pin }) => module.sign(key, &data, pin.as_ref()),
        (Some(module), Request::Decrypt { key, oaep, data, pin }) => {
            module.decrypt(key, oaep, &data, pin.as_ref())
        }
    }
}
