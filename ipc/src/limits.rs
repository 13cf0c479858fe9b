//! Every number that bounds what the wire may hold, each with its reason. Nothing is allocated for the other side
//! before one of these was checked.

/// Largest body of a frame that is not `Data`, in bytes. Larger things are streams.
pub const MAX_BODY: usize = 1 << 20;

/// Largest body of a `Data` frame, in bytes: big enough to amortise a hop through the hub, small enough that a frame of
/// another call never waits long behind it.
pub const MAX_DATA: usize = 64 << 10;

/// Frames that may be on their way in one direction of a stream before the reader returned a credit.
pub const WINDOW_FRAMES: u16 = 16;

/// Bytes that may be on their way in one direction of a stream before the reader returned a credit.
pub const WINDOW_BYTES: usize = 256 << 10;

/// Calls that were given up while their callee still worked on them. A callee with more of them than this does not
/// listen to Cancel, and is ended.
pub const MAX_ABANDONED: usize = 256;

/// Frames for which no policy row exists, after which the sender is ended: by then it is not a mistake.
pub const MAX_FORBIDDEN: u32 = 8;

/// How long a cancelled call may take to give its terminal answer before the hub gives it instead, in milliseconds.
pub const CANCEL_GRACE_MS: u32 = 2_000;

/// Calls that wait in the hub for a process of one role to become ready.
pub const MAX_WAITING: usize = 64;

/// Calls taken back before they came, that one side remembers: a cancel may overtake its call.
pub const MAX_EARLY: usize = 256;

/// Bytes that may be queued for one process before it gets no new calls, and makes none: it is slow, and who asks it hears so
/// at once. A
/// command line, which may have been stopped by its person and is nobody's callee, is ended.
pub const MAX_QUEUED: usize = 16 << 20;

/// Calls refused out of hand while their caller has more than [`MAX_QUEUED`] to read. One that goes on asking after so many
/// will not read, and is ended.
pub const MAX_UNHEARD: u32 = 1024;

/// Bytes queued for one process after which it is ended. Once it gets no new calls and makes none, only the windows of streams that are
/// open and the answers it waits for can come; for every role these are less (a test of the hub adds up the rows), so a
/// process is never ended for being slow.
pub const MAX_UNREAD: usize = 512 << 20;
