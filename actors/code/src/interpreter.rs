//! The interpreter and the thread it lives on.

use std::{
    sync::mpsc::{Receiver, SyncSender, sync_channel},
    thread,
    time::Instant,
};

use ipc::{
    Refusal,
    messages::code::{Ending, Entry},
};
use rustpython::InterpreterBuilderExt as _;
use rustpython_vm::{
    AsObject as _, PyObjectRef, PyResult, Settings, VirtualMachine,
    builtins::PyBaseExceptionRef,
    scope::Scope,
    signal::{UserSignalSender, user_signal_channel},
};
use tokio::sync::oneshot;

use crate::native::{World, lamos};

/// Stack of the interpreter's thread: deep recursion is an exception and not a crash.
const STACK: usize = 64 << 20;

/// Longest traceback and longest value that is passed on, in bytes.
const MAX_TRACEBACK: usize = 16 << 10;
const MAX_VALUE: usize = 512 << 10;

/// What a run is.
pub(crate) struct Job {
    pub(crate) source: String,
    pub(crate) entry: Entry,
    pub(crate) inputs: String,
    pub(crate) files: Vec<(String, Vec<u8>)>,
}

/// How it ended, if it ended by itself.
pub(crate) struct Done {
    pub(crate) ending: Ending,
    pub(crate) value: String,
    pub(crate) micros: u64,
}

/// A warm interpreter.
pub(crate) struct Interpreter {
    jobs: SyncSender<(Job, oneshot::Sender<Done>)>,
    signals: UserSignalSender,
}

impl Interpreter {
    /// Starts the thread and waits until it is warm.
    pub(crate) async fn start() -> Result<Interpreter, Refusal> {
        let (jobs, waiting) = sync_channel(1);
        let (warm, is_warm) = oneshot::channel();
        let (signals, heard) = user_signal_channel();
        let thread = thread::Builder::new().name("python".to_owned()).stack_size(STACK);
        thread
            .spawn(move || live(heard, warm, &waiting))
            .map_err(|error| Refusal::internal(format!("start the interpreter: {error}")))?;
        match is_warm.await {
            Ok(Ok(())) => Ok(Interpreter { jobs, signals }),
            Ok(Err(error)) => Err(Refusal::internal(format!("warm the interpreter: {error}"))),
            Err(_) => Err(Refusal::internal("keep the interpreter alive")),
        }
    }

    /// Begins the one run.
    pub(crate) fn run(&self, job: Job) -> Result<oneshot::Receiver<Done>, Refusal> {
        let (done, is_done) = oneshot::channel();
        self.jobs.send((job, done)).map_err(|_| Refusal::internal("reach the interpreter"))?;
        Ok(is_done)
    }

    /// Asks the script to stop, the polite way: an exception where it is. It may catch it.
    pub(crate) fn interrupt(&self) {
        // It may have ended meanwhile.
        let _ = self.signals.send(Box::new(|vm| Err(vm.new_exception_empty(vm.ctx.exceptions.keyboard_interrupt.to_owned()))));
    }
}

fn live(
    heard: rustpython_vm::signal::UserSignalReceiver,
    warm: oneshot::Sender<Result<(), String>>,
    jobs: &Receiver<(Job, oneshot::Sender<Done>)>,
) {
    let mut settings = Settings::default();
    settings.install_signal_handlers = false;
    settings.import_site = false;
    settings.isolated = true;
    settings.hash_seed = Some(0);
    let builder = rustpython_vm::Interpreter::builder(settings);
    let module = lamos::module_def(&builder.ctx);
    let interpreter = builder.init_stdlib().add_native_module(module).init_hook(|vm| vm.set_user_signal_channel(heard)).build();
    interpreter.enter(|vm| {
        let guest = match warm_up(vm) {
            Ok(guest) => guest,
            Err(error) => {
                let _ = warm.send(Err(describe(vm, &error)));
                return;
            }
        };
        if warm.send(Ok(())).is_err() {
            return;
        }
        if let Ok((job, done)) = jobs.recv() {
            let begun = Instant::now();
            let (ending, value) = perform(vm, &guest, job);
            World::flush();
            let micros = u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX);
            // Who watches may have ended the run already.
            let _ = done.send(Done { ending, value, micros });
        }
    });
    // The interpreter is not taken down: the process ends now, and with it everything.
    std::mem::forget(interpreter);
}

/// The world of a script, made once. Returns its scope.
fn warm_up(vm: &VirtualMachine) -> PyResult<Scope> {
    let scope = vm.new_scope_with_builtins();
    vm.run_string(scope.clone(), include_str!("guest.py"), "<lamos>")?;
    Ok(scope)
}

fn perform(vm: &VirtualMachine, guest: &Scope, job: Job) -> (Ending, String) {
    match attempt(vm, guest, job) {
        Ok(value) => (Ending::Finished, value),
        Err(error) => {
            let leaves = error.fast_isinstance(vm.ctx.exceptions.system_exit);
            if leaves && exit_code_is_zero(vm, &error) {
                return (Ending::Finished, String::new());
            }
            let traceback = cut(describe(vm, &error), MAX_TRACEBACK);
            let summary = traceback.lines().last().unwrap_or_default().to_owned();
            (Ending::Raised { traceback, summary }, String::new())
        }
    }
}

fn attempt(vm: &VirtualMachine, guest: &Scope, job: Job) -> PyResult<String> {
    let files = vm.ctx.new_dict();
    for (name, bytes) in job.files {
        files.set_item(name.as_str(), vm.ctx.new_bytes(bytes).into(), vm)?;
    }
    let call = |name: &str, arguments: Vec<PyObjectRef>| guest.globals.get_item(name, vm)?.call(arguments, vm);
    call("begin", vec![files.into()])?;
    let scope = vm.new_scope_with_builtins();
    scope.globals.set_item("__name__", vm.ctx.new_str("__main__").into(), vm)?;
    let inputs = vm.import("json", 0)?.get_attr("loads", vm)?.call((vm.ctx.new_str(job.inputs),), vm)?;
    match job.entry {
        Entry::Script => {
            scope.globals.set_item("inputs", inputs, vm)?;
            let value = vm.run_block_expr(scope, &job.source)?;
            if vm.is_none(&value) {
                return Ok(String::new());
            }
            Ok(cut(value.repr(vm)?.to_string_lossy().into_owned(), MAX_VALUE))
        }
        Entry::Execute => {
            vm.run_string(scope.clone(), &job.source, "<script>")?;
            let execute = scope.globals.get_item_opt("execute", vm)?;
            let execute = execute.ok_or_else(|| {
                vm.new_name_error("the script defines no function execute(inputs)".to_owned(), vm.ctx.new_str("execute"))
            })?;
            let value = execute.call((inputs,), vm)?;
            let plain = call("plain", vec![value])?.str(vm)?.to_string_lossy().into_owned();
            if plain.len() > MAX_VALUE {
                return Err(vm.new_value_error(format!(
                    "the result has {} bytes; {MAX_VALUE} are the most, write the rest to a file",
                    plain.len()
                )));
            }
            Ok(plain)
        }
    }
}

fn exit_code_is_zero(vm: &VirtualMachine, error: &PyBaseExceptionRef) -> bool {
    match error.as_object().get_attr("code", vm) {
        Ok(code) => vm.is_none(&code) || code.try_into_value::<i64>(vm).is_ok_and(|code| code == 0),
        Err(_) => true,
    }
}

/// The traceback of an exception, as Python prints it.
fn describe(vm: &VirtualMachine, error: &PyBaseExceptionRef) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = vm.write_exception(&mut text, error);
    text.trim_end().to_owned()
}

/// The end of a text is what matters in a traceback, its beginning in a value; both keep what fits from the front, and the
/// last line of a traceback is kept besides.
fn cut(text: String, most: usize) -> String {
    if text.len() <= most {
        return text;
    }
    let last = text.lines().last().unwrap_or_default();
    let last = if last.len() < most / 2 { last } else { "" };
    let room = most - last.len();
    let end = (0..=room).rev().find(|&end| text.is_char_boundary(end)).unwrap_or(0);
    format!("{}\n…\n{last}", &text[..end])
}
