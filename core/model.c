#include "core/model.h"

/* No `default:` in these: the compiler then says which word is missing when a state is added. */

const char *rollout_state_word(enum rollout_state s)
{
    switch (s) {
    case ROLLOUT_UNKNOWN:
        return "unknown";
    case ROLLOUT_CREATING:
        return "creating";
    case ROLLOUT_WAITING_APPROVAL:
        return "waiting-for-approval";
    case ROLLOUT_DENIED:
        return "denied";
    case ROLLOUT_READY:
        return "ready";
    case ROLLOUT_STARTING:
        return "starting";
    case ROLLOUT_RUNNING:
        return "running";
    case ROLLOUT_PAUSED:
        return "paused";
    case ROLLOUT_STOPPING:
        return "stopping";
    case ROLLOUT_STOPPED:
        return "stopped";
    case ROLLOUT_FINISHED:
        return "finished";
    case ROLLOUT_DELETING:
        return "deleting";
    case ROLLOUT_DELETED:
        return "deleted";
    }
    return "unknown";
}

const char *wave_state_word(enum wave_state s)
{
    switch (s) {
    case WAVE_UNKNOWN:
        return "unknown";
    case WAVE_CREATING:
        return "creating";
    case WAVE_READY:
        return "ready";
    case WAVE_SCHEDULED:
        return "scheduled";
    case WAVE_RUNNING:
        return "running";
    case WAVE_FINISHED:
        return "finished";
    case WAVE_ERROR:
        return "error";
    }
    return "unknown";
}

const char *device_status_word(enum device_status s)
{
    switch (s) {
    case DEVICE_UNKNOWN:
        return "unknown";
    case DEVICE_REGISTERED:
        return "registered";
    case DEVICE_PENDING:
        return "pending";
    case DEVICE_IN_SYNC:
        return "in-sync";
    case DEVICE_ERROR:
        return "error";
    }
    return "unknown";
}

bool rollout_state_ended(enum rollout_state s)
{
    return s == ROLLOUT_STOPPED || s == ROLLOUT_FINISHED || s == ROLLOUT_DENIED || s == ROLLOUT_DELETED;
}

bool rollout_state_active(enum rollout_state s)
{
    return s == ROLLOUT_RUNNING || s == ROLLOUT_STARTING;
}

bool counts_equal(const struct counts *a, const struct counts *b)
{
    if (!a->known || !b->known)
        return a->known == b->known;
    return a->notstarted == b->notstarted && a->scheduled == b->scheduled && a->running == b->running &&
           a->finished == b->finished && a->error == b->error && a->cancelled == b->cancelled;
}
