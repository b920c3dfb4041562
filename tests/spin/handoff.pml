/*
 * The leader token (queue/leader_token.h) in a server of LANES lanes, of which one runs at
 * first and which have room for LIMIT messages. A client sends up to MESSAGES, then the server
 * stops, both at any moment.
 *
 * Each access to a variable that lanes share is a step of its own. The other variables in its
 * atomic are the lane's own, or ghosts: variables that only the checks read. Memory here is
 * sequentially consistent; ThreadSanitizer checks weaker orders (tests/queue).
 *
 * Checked at every moment
 *   one_token       in a mailbox, parked, or in one hand (T1)
 *   one listener
 *   nobody_waits    no lane has room while the token is parked, unless it is about to look at
 *                   parked, or the lane that parked is about to look at the others (T4)
 * and in the end
 *   nothing is lost: all sent messages are received, all received ones are answered
 *   no lane is stuck (invalid end state)
 * and of endless runs, with weak fairness
 *   token_is_taken  a parked token is taken, if a lane has room
 *   all_is_read     the socket gets empty
 *   server_ends
 *
 * With one of these defined, some check has to fail (CMakeLists.txt says which):
 *   GIVES_TOO_EARLY     promote() gives the token before it takes it out of its own mailbox
 *   NO_SECOND_LOOK      no lane looks again after parking
 *   LOOKS_TOO_EARLY     done() looks at parked before its load is 0
 *   TAKES_BLINDLY       done() takes a parked token by a plain write
 *   NEVER_TAKES         done() takes no parked token
 *   SLEEPS_BLINDLY      prepare_sleep() writes over a token that has come
 *   ENDS_BLINDLY        try_end() writes over a token that has come
 *   WAKES_NOBODY        a sleeper that is given the token is not signalled
 *   FORGETS_THE_FAILED  the token stays with a lane that could not be started
 *   TAKES_BACK_BLINDLY  relieve() takes the token back although its lane has woken
 *   WAKES_LATE_BLINDLY  woke() of a late lane does not look whether the token is parked
 *   GIVES_BLINDLY       relieve() gives the token to a lane that has closed meanwhile
 *   COUNTS_TOO_EARLY    a lane that main starts counts as open before it has a thread
 *   TAKES_UP_BLINDLY    take_up() takes a parked token by a plain write
 */
#define LIMIT 2
#define LEAST 1
#define NONE LANES

mtype = { closed, awake, asleep, late, offered, token }

#ifndef RELIEFS
#define RELIEFS 0  /* how often main takes the token back from a sleeper, or takes up a parked one */
#endif

/* Variables of the protocol. */
mtype mailbox[LANES] = closed;
byte load[LANES];
bool parked;
byte open_lanes = 1;

/* Variables of the server. */
bool event[LANES];   /* signalled, and not read yet: eventfd(2) */
bool thread[LANES];  /* it runs, or has not quite ended */
byte socket;         /* messages in it */
bool stopping;
bool relieving;      /* main is inside relieve() or take_up(), and not at the stop */
byte reliefs = RELIEFS;

/* Ghosts. */
byte in_hand;           /* tokens in hands */
byte listeners;
byte second_looks;      /* still to be finished by lanes that have parked */
bool will_look[LANES];  /* has room, and has not yet looked at parked */
byte sent;
byte received;
byte answered;
bool ended;

#define HAS_TOKEN(lane) (mailbox[lane] == token || mailbox[lane] == offered)
#define IS_OFFERED(lane) (mailbox[lane] == offered)
#define MAY_GET_IT(lane) (mailbox[lane] == awake || mailbox[lane] == asleep)
#define IS_CLOSED(lane) (mailbox[lane] == closed)
#define HAS_THREAD(lane) (thread[lane])
#define HAS_ROOM(lane) (MAY_GET_IT(lane) && load[lane] < LIMIT)
#define IS_LEFT_OUT(lane) (HAS_ROOM(lane) && !will_look[lane])
#if LANES == 2
#define COUNT(what) (what(0) + what(1))
#else
#define COUNT(what) (what(0) + what(1) + what(2))
#endif

#define one_token (COUNT(HAS_TOKEN) + parked + in_hand == 1)
#define nobody_waits (!parked || second_looks > 0 || COUNT(IS_LEFT_OUT) == 0)

ltl token_is_taken { [] ((parked && COUNT(HAS_ROOM) > 0) -> <> !parked) }
ltl all_is_read { [] (socket > 0 -> <> (socket == 0)) }
ltl server_ends { <> ended }

/* least_loaded(): sets `best` to the lane with the least load of those that are open, have room and
   are not late, or to NONE. */
inline least_loaded() {
  atomic {
    lane = 0;
    if
    :: self != NONE && load[self % LANES] < LIMIT -> best = self; best_load = load[self % LANES]
    :: else -> best = NONE; best_load = LIMIT
    fi
  }
  do
  :: atomic { lane < LANES && load[lane] >= best_load -> lane++ }
  :: atomic { lane < LANES && load[lane] < best_load -> its_load = load[lane] }
     atomic {
       if
       :: MAY_GET_IT(lane) -> best = lane; best_load = its_load
       :: else
       fi
       its_load = 0;
       lane++
     }
  :: atomic { lane == LANES -> lane = 0; best_load = 0; break }
  od
}

/* first_closed(): sets `best` to a closed lane, or to NONE. */
inline first_closed() {
  do
  :: atomic { lane < LANES && mailbox[lane] != closed -> lane++ }
  :: atomic { lane < LANES && mailbox[lane] == closed -> best = lane; lane = 0; break }
  :: atomic { lane == LANES -> best = NONE; lane = 0; break }
  od
}

/* end_lane(): ends the thread, or goes on if the lane has to stay. */
inline end_lane(least) {
  if
  :: atomic { open_lanes > least -> open_lanes-- }
#ifdef ENDS_BLINDLY
     mailbox[self] = closed;
     goto end_thread
#else
     if
     :: atomic { mailbox[self] == awake -> mailbox[self] = closed; goto end_thread }
     :: mailbox[self] == token
     fi
#endif
     open_lanes++
  :: open_lanes <= least
  fi
}

proctype Lane(byte self) {
  byte held;       /* messages received and not yet answered */
  byte lane;
  byte best;
  byte best_load;
  byte its_load;
  bool may_start;
  bool was_stopping;
  bool timed_out;
  bool wake;
#ifdef LOOKS_TOO_EARLY
  bool seen_parked;
#endif

end_no_thread:
  thread[self];

again:
  if
  :: mailbox[self] == token -> goto listen
  :: mailbox[self] != token
  fi

  /* Without the token. */
  if
  :: stopping -> end_lane(0); goto again
  :: !stopping
  fi
#ifdef SLEEPS_BLINDLY
  mailbox[self] = asleep;
#else
  if
  :: atomic { mailbox[self] == awake -> mailbox[self] = asleep }
  :: mailbox[self] == token -> goto again
  fi
#endif
  if
  :: true -> event[self]  /* before any time-out: so that a lost wake-up is seen */
  :: timed_out = true
  fi
  if
  :: atomic { mailbox[self] == asleep -> mailbox[self] = awake }
  :: atomic { mailbox[self] == offered || mailbox[self] == token ->
              mailbox[self] = token; timed_out = false }
  :: atomic { mailbox[self] == late -> mailbox[self] = awake;
#ifndef WAKES_LATE_BLINDLY
              will_look[self] = true
#endif
            }
  fi
  event[self] = false;
  if
  :: atomic { will_look[self] -> timed_out = false; goto look_at_parked }
  :: else
  fi;
  if
  :: atomic { timed_out -> timed_out = false }
     end_lane(LEAST)
  :: else
  fi
  goto again;

listen:
  atomic { listeners++; assert(listeners == 1) }
  was_stopping = stopping;
receive:
  atomic {
    if
    :: socket > LIMIT -> held = LIMIT
    :: else -> held = socket
    fi
    socket = socket - held;
    received = received + held;
    if
    :: held > 0 || was_stopping -> listeners--
    :: else
    fi
  }
  if
  :: held > 0
  :: held == 0 && was_stopping -> goto end_thread  /* all is drained: ends with the token */
  :: held == 0 && !was_stopping ->
     if
     :: socket > 0
     :: event[self] -> event[self] = false
     fi
     atomic { was_stopping = false; listeners-- }
     goto again
  fi
  was_stopping = false;

  /* promote() */
  may_start = !stopping;
  load[self] = held;
#ifndef GIVES_TOO_EARLY
  atomic { mailbox[self] = awake; in_hand++ }
#else
  in_hand++;
#endif

choose_leader:
  least_loaded();
  if
  :: best == self -> atomic { mailbox[self] = token; in_hand--; best = 0; goto process }
  :: best != self && best != NONE ->
     if
     :: mailbox[best] == closed || mailbox[best] == late -> goto choose_leader  /* meanwhile */
     :: atomic { mailbox[best] == awake -> mailbox[best] = token; in_hand-- }
     :: atomic { mailbox[best] == asleep -> mailbox[best] = offered; in_hand--; wake = true }
     fi
#ifdef GIVES_TOO_EARLY
     mailbox[self] = awake;
#endif
     if
#ifndef WAKES_NOBODY
     :: wake -> event[best] = true
#else
     :: wake
#endif
     :: else
     fi
     atomic { wake = false; best = 0; goto process }
  :: best == NONE
  fi
  if
  :: may_start -> first_closed()
  :: else
  fi
  if
  :: best != NONE -> goto start
  :: else
  fi

  /* No lane has room. */
  atomic { parked = true; in_hand--; second_looks++ }
#ifdef NO_SECOND_LOOK
  best = NONE;
#else
  least_loaded();
  if
  :: best == NONE && may_start -> first_closed()
  :: else
  fi
#endif
  if
  :: atomic { best == NONE -> second_looks-- }
  :: atomic { best != NONE && parked -> parked = false; in_hand++; second_looks--; goto choose_leader }
  :: atomic { best != NONE && !parked -> second_looks-- }
  fi
  atomic { best = 0; goto process }

start:
  atomic { mailbox[best] = token; in_hand-- }
  if
  :: atomic { !thread[best] -> thread[best] = true }  /* its last thread is joined */
     open_lanes++
  :: true ->  /* no thread can be started: start_failed() */
#ifndef FORGETS_THE_FAILED
     atomic { mailbox[best] = closed; in_hand++; may_start = false; goto choose_leader }
#endif
  fi
  best = 0;

process:
  atomic { answered = answered + held; held = 0; may_start = false }

  /* done() */
#ifdef LOOKS_TOO_EARLY
  seen_parked = parked;
  atomic { load[self] = 0; will_look[self] = seen_parked }
look_at_parked:
  if
  :: atomic { seen_parked -> seen_parked = false }
  :: !seen_parked -> goto again
  fi
#else
  atomic { load[self] = 0; will_look[self] = true }
look_at_parked:
  if
  :: parked
  :: atomic { !parked -> will_look[self] = false; goto again }
  fi
#endif
  if
#ifdef NEVER_TAKES
  :: atomic { will_look[self] = false; goto again }
#elif defined(TAKES_BLINDLY)
  :: atomic { parked = false; in_hand++; will_look[self] = false }
#else
  :: atomic { parked -> parked = false; in_hand++; will_look[self] = false }
  :: atomic { !parked -> will_look[self] = false; goto again }
#endif
  fi
  atomic { mailbox[self] = token; in_hand-- }
  goto again;

end_thread:
  atomic { was_stopping = false; thread[self] = false }
  goto end_no_thread
}

/* The main thread: it takes the token back from a sleeper that does not wake up, and takes up a
   parked token although a lane is not running. The server waits for a while before that; the
   protocol does not rely on it, so the model has no such wait. */
proctype Relief() {
  byte self = NONE;  /* no lane */
  byte owner;
  byte lane;
  byte best;
  byte best_load;
  byte its_load;
  bool may_start;
  bool wake;

end_relief:
  if
  :: atomic {
       reliefs > 0 && !stopping && parked && COUNT(IS_CLOSED) > 0 ->
       reliefs--;
       relieving = true
     }
     if
#ifdef TAKES_UP_BLINDLY
     :: atomic { true -> parked = false; in_hand++; may_start = true; goto choose_leader }
#else
     :: atomic { parked -> parked = false; in_hand++; may_start = true; goto choose_leader }
     :: !parked -> goto relieved
#endif
     fi
  :: atomic {
       reliefs > 0 && !stopping && COUNT(IS_OFFERED) > 0 ->
       reliefs--;
       relieving = true;
       owner = 0;
       do
       :: mailbox[owner] != offered -> owner++
       :: else -> break
       od
     }
  fi
  least_loaded();
  if
  :: best == NONE -> goto relieved
  :: else
  fi
  if
#ifdef TAKES_BACK_BLINDLY
  :: atomic { true -> mailbox[owner] = late; in_hand++ }
#else
  :: atomic { mailbox[owner] == offered -> mailbox[owner] = late; in_hand++ }
  :: mailbox[owner] != offered -> goto relieved
#endif
  fi

choose_leader:
  least_loaded();
  if
  :: best != NONE ->
     if
#ifdef GIVES_BLINDLY
     :: atomic { mailbox[best] == closed -> mailbox[best] = token; in_hand-- }
#endif
     :: mailbox[best] == closed || mailbox[best] == late -> goto choose_leader  /* meanwhile */
     :: atomic { mailbox[best] == awake -> mailbox[best] = token; in_hand-- }
     :: atomic { mailbox[best] == asleep -> mailbox[best] = offered; in_hand--; wake = true }
     fi
     if
     :: wake -> event[best] = true
     :: else
     fi
     goto relieved
  :: else
  fi
  if
  :: may_start -> first_closed()
  :: else
  fi
  if
  :: best == NONE
  :: else ->
     atomic { mailbox[best] = token; in_hand-- }
#ifdef COUNTS_TOO_EARLY
     open_lanes++;
#endif
     if
     :: atomic { !thread[best] -> thread[best] = true }
#ifndef COUNTS_TOO_EARLY
        open_lanes++;
#endif
        goto relieved
     :: true ->
#ifdef COUNTS_TOO_EARLY
        open_lanes--;
#endif
        atomic { mailbox[best] = closed; in_hand++; may_start = false; goto choose_leader }
     fi
  fi
  atomic { parked = true; in_hand--; second_looks++ }
  least_loaded();
  if
  :: best == NONE && may_start -> first_closed()
  :: else
  fi
  if
  :: atomic { best == NONE -> second_looks-- }
  :: atomic { best != NONE && parked -> parked = false; in_hand++; second_looks--; goto choose_leader }
  :: atomic { best != NONE && !parked -> second_looks-- }
  fi

relieved:
  atomic { relieving = false; owner = 0; lane = 0; best = 0; best_load = 0; may_start = false; wake = false }
  goto end_relief
}

/* Adds no states: it makes a step only when an invariant is broken. */
proctype Watch() {
end_watch:
  atomic { !(one_token && nobody_waits) -> assert(one_token); assert(nobody_waits) }
}

init {
  byte lane;
  atomic {
    mailbox[0] = token;
    thread[0] = true;
    run Watch();
#if RELIEFS > 0
    run Relief();
#endif
    do
    :: lane < LANES -> run Lane(lane); lane++
    :: else -> lane = 0; break
    od
  }

  do
  :: sent < MESSAGES -> atomic { sent++; socket++ }
  :: break
  :: true -> answered == sent; break  /* so that the signals of the end cover up no lost wake-up */
  od

  atomic { !relieving -> stopping = true }
  do
  :: lane < LANES -> event[lane] = true; lane++
  :: else -> break
  od
  COUNT(HAS_THREAD) == 0;
  assert(socket == 0 && received == sent && answered == sent && !parked);
  ended = true
}
