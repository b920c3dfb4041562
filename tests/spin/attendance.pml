/*
 * Which lanes attend, are away or are blocked (stages/lane/attendance.h), in a server of LANES lanes
 * that share their work. A client sends up to MESSAGES messages and up to DEFERRED deferred ones, at
 * any moment. A deferred message blocks its lane for as long as ordinary ones wait: so nobody can
 * rely on its end.
 *
 * Each access to a variable that lanes share is a step of its own; `attending` and `away` are one
 * word, so that both are read, or compared and exchanged, in one step. Nobody who is away looks by
 * itself: what the time-outs do besides is not relied on.
 *
 * Checked at every moment
 *   somebody_comes     a lane attends, or is called, or one is about to call or to come (A1)
 *   not_all_block      (A2)
 * and in the end
 *   all messages are answered, no lane is stuck (invalid end state)
 * and of endless runs, with weak fairness
 *   all_is_answered
 *
 * With one of these defined, some check has to fail (CMakeLists.txt says which):
 *   BLOCKS_BLINDLY     a lane blocks although no other one is left
 *   BLOCKS_BY_GUESS    a lane that blocks compares what it saw, but writes whatever is there now
 *   GOES_AWAY_BLINDLY  a lane goes away although it is the last one that attends
 *   CALLS_NOBODY       a lane that blocks calls nobody
 *   CALLS_TOO_EARLY    a lane that blocks looks for lanes that are away before it counts itself out
 *   NEVER_COMES_BACK   a lane that is called stays away
 */
#ifndef DEFERRED
#define DEFERRED 2
#endif

/* Variables of the protocol. */
byte attending = LANES;
byte away;
byte calls;     /* of the eventfd, in semaphore mode */

/* Variables of the server. */
byte requests;  /* in the socket or the queue */
byte deferred;  /* in their queue */

/* Ghosts. */
byte blocked;
byte will_call;    /* have counted themselves out and are about to call */
byte will_come;    /* have taken a call and are about to count themselves in */
byte sent;
byte sent_deferred;
bool all_sent;

#define somebody_comes (attending > 0 || calls > 0 || will_call > 0 || will_come > 0)
#define not_all_block (blocked < LANES)

ltl all_is_answered { [] (requests > 0 -> <> (requests == 0)) }

proctype Lane(byte self) {
  byte seen_attending;
  byte seen_away;

attend:
  do
  :: atomic { requests > 0 -> requests-- }
  :: requests == 0 && deferred > 0 -> goto begin_blocking
  :: requests == 0 -> goto go_away
  :: atomic { all_sent && requests == 0 && deferred == 0 -> goto end_lane }
  od;

go_away:
  atomic { seen_attending = attending; seen_away = away }
#ifndef GOES_AWAY_BLINDLY
  if
  :: seen_attending <= 1 -> seen_attending = 0; seen_away = 0; goto rest
  :: else
  fi;
#endif
  if
  :: atomic { attending == seen_attending && away == seen_away ->
              attending--; away++; seen_attending = 0; seen_away = 0 }
  :: atomic { !(attending == seen_attending && away == seen_away) ->
              seen_attending = 0; seen_away = 0; goto rest }
  fi;
end_away:
#ifdef NEVER_COMES_BACK
  false;
#endif
  /* Or it is woken by the end of the server, which counts it in as well. */
  if
  :: atomic { calls > 0 -> calls--; will_come++ }
  :: atomic { all_sent && requests == 0 && deferred == 0 -> will_come++ }
  fi;
  atomic { attending++; away--; will_come-- }
  goto attend;

begin_blocking:
  atomic { seen_attending = attending; seen_away = away }
#ifndef BLOCKS_BLINDLY
  if
  :: seen_attending + seen_away <= 1 -> seen_attending = 0; seen_away = 0; goto rest
  :: else
  fi;
#endif
#ifdef BLOCKS_BY_GUESS
  atomic { attending--; blocked++; will_call++ }
#elif defined(CALLS_TOO_EARLY)
  seen_away = away;
  atomic { attending > 0 && attending + away > 1 -> attending--; blocked++; will_call++ }
#else
  if
  :: atomic { attending == seen_attending && away == seen_away ->
              attending--; blocked++; will_call++ }
  :: atomic { !(attending == seen_attending && away == seen_away) ->
              seen_attending = 0; seen_away = 0; goto rest }
  fi;
#endif
  if
#ifdef CALLS_NOBODY
  :: atomic { true -> will_call-- }
#else
  :: atomic { seen_away > 0 -> calls++; will_call-- }
  :: atomic { seen_away == 0 -> will_call-- }
#endif
  fi;
  atomic { seen_attending = 0; seen_away = 0 }
  if
  :: atomic { deferred > 0 -> deferred-- }
     requests == 0  /* for so long it blocks */
  :: deferred == 0  /* another lane was quicker */
  fi;
  atomic { attending++; blocked-- }
  goto attend;

  /* It may not go away, or not block: it waits in epoll for whatever comes. */
rest:
end_rest:
  if
  :: requests > 0
  :: deferred > 0 && attending + away > 1
  :: all_sent && requests == 0 && deferred == 0
  fi;
  goto attend;

end_lane:
  skip
}

/* Adds no states: it makes a step only when an invariant is broken. */
proctype Watch() {
end_watch:
  atomic { !(somebody_comes && not_all_block) -> assert(somebody_comes); assert(not_all_block) }
}

init {
  byte lane;
  atomic {
    run Watch();
    do
    :: lane < LANES -> run Lane(lane); lane++
    :: else -> lane = 0; break
    od
  }
  do
  :: sent < MESSAGES -> atomic { sent++; requests++ }
  :: sent_deferred < DEFERRED -> atomic { sent_deferred++; deferred++ }
  :: atomic { sent == MESSAGES && sent_deferred == DEFERRED -> break }
  od;
  /* Without the signals of the end, so that they cover up no lost call. */
  requests == 0 && deferred == 0;
  all_sent = true
}
