/* Searches in the B+-tree of btree.h; none of them changes the tree. */
#ifndef KSM_RMAP_BTREE_SEARCH_H
#define KSM_RMAP_BTREE_SEARCH_H

#include "btree.h"

/* What one search touched; exact, counted by the search itself. */
struct bt_visits {
	size_t pages, entries;
};

/* Whether the item is in this tree. O(log n). */
static inline int
bt_holds(const struct bt *tree, const struct bt_item *item)
{
	const struct bt_page *page = item->leaf;
	if (!page)
		return 0;
	while (page->parent)
		page = page->parent;
	return page == tree->root;
}

/* A growing array of what a search found: items, and numbers of unmade ones. */
struct bt_found {
	void **items;
	size_t count, room;
	void **stack;            /* where `items` points at first; not freed */
	struct bt_visits visits;
};

static inline int
bt_reserve(struct bt_found *found)
{
	if (found->count + BT_PAGE <= found->room)
		return 0;
	size_t room = found->room * 4;
	void **items = BT_MALLOC(room * sizeof *items);
	if (!items)
		return -1;
	memcpy(items, found->items, found->count * sizeof *items);
	if (found->items != found->stack)
		BT_FREE(found->items);
	found->items = items;
	found->room = room;
	return 0;
}

/* The slots of a page that start at `last` or before; `inner`: all of them do. */
static inline uint32_t
bt_prefix(const struct bt_page *page, uint64_t last, int inner)
{
	if (inner)
		return page->count;
	return bt_upper(page->starts, page->count, last);
}

/* Collect what overlaps [start, last], in order. Return 0, or -1 without memory. */
static int
bt_collect(const struct bt_page *page, uint64_t start, uint64_t last, int inner,
	   struct bt_found *found)
{
	uint32_t stop = bt_prefix(page, last, inner);
	found->visits.pages++;
	found->visits.entries += stop;
	if (page->height) {
		for (uint32_t i = 0; i < stop; i++)
			if (page->lasts[i] >= start &&
			    bt_collect(page->slots[i], start, last, inner || i + 1 < stop, found))
				return -1;
		return 0;
	}
	if (bt_reserve(found))
		return -1;
	/* Store each item, keep it only if it ends late enough: no branch to mispredict. */
	void **end = found->items + found->count;
	for (uint32_t i = 0; i < stop; i++) {
		*end = page->slots[i];
		end += page->lasts[i] >= start;
	}
	found->count = (size_t)(end - found->items);
	return 0;
}

/* Whether an item that was found is not made yet. */
static inline int
bt_any_unmade(const struct bt_found *found)
{
	uintptr_t any = 0;
	for (size_t i = 0; i < found->count; i++)
		any |= (uintptr_t)found->items[i];
	return any & 1;
}

/* Count what overlaps [start, last]. */
static size_t
bt_count(const struct bt_page *page, uint64_t start, uint64_t last, int inner)
{
	uint32_t stop = bt_prefix(page, last, inner);
	size_t count = 0;
	if (!page->height) {
		for (uint32_t i = 0; i < stop; i++)
			count += page->lasts[i] >= start;
		return count;
	}
	for (uint32_t i = 0; i < stop; i++)
		if (page->lasts[i] >= start)
			count += bt_count(page->slots[i], start, last, inner || i + 1 < stop);
	return count;
}

/*
 * A place in a tree: the next slot to look at. What a search returns is in the slot before
 * it; no page, nothing found. Any change of the tree makes it stale.
 */
struct bt_cursor {
	const struct bt_page *page;
	uint32_t slot;
};

/* Return the next slot of a leaf that overlaps [start, last] and step past it, or NULL. */
static inline void *
bt_next(struct bt_cursor *cursor, uint64_t start, uint64_t last)
{
	const struct bt_page *page = cursor->page;
	uint32_t slot = cursor->slot;
	while (page) {
		while (slot < page->count && page->lasts[slot] < start)
			slot++;
		if (slot == page->count) {
			slot = page->parent ? bt_slot_of(page->parent, page) + 1 : 0;
			page = page->parent;
		} else if (page->starts[slot] > last) {
			page = NULL;
		} else if (page->height) {
			page = page->slots[slot];
			slot = 0;
		} else {
			cursor->page = page;
			cursor->slot = slot + 1;
			return page->slots[slot];
		}
	}
	cursor->page = NULL;
	return NULL;
}

/* Find the first item, in order, that starts after the point. O(log n). */
static struct bt_cursor
bt_after(const struct bt_page *page, uint64_t point)
{
	struct bt_cursor cursor = {page, 0};
	if (!page)
		return cursor;
	while (page->height) {
		uint32_t slot = bt_upper(page->starts, page->count, point);
		page = page->slots[slot - (slot > 0)];
	}
	cursor.page = page;
	cursor.slot = bt_upper(page->starts, page->count, point);
	bt_next(&cursor, 0, UINT64_MAX);
	return cursor;
}

/*
 * Find, from right to left, the slot with the greatest last before the point. Enters only
 * pages with an item that reaches the point: O(log n + c log(n / c)), c of these items.
 */
static void
bt_before(const struct bt_page *page, uint64_t point, struct bt_cursor *best)
{
	for (uint32_t i = page->count; i-- > 0;) {
		if (page->starts[i] >= point)
			continue;
		if (page->lasts[i] >= point) {
			if (page->height)
				bt_before(page->slots[i], point, best);
		} else if (!best->page || page->lasts[i] > best->page->lasts[best->slot - 1]) {
			best->page = page;
			best->slot = i + 1;
		}
	}
}

/* Go on from a slot to the last item in order below it that has the slot's last. */
static void
bt_descend(struct bt_cursor *best)
{
	while (best->page->height) {
		uint64_t last = best->page->lasts[best->slot - 1];
		best->page = best->page->slots[best->slot - 1];
		best->slot = best->page->count;
		while (best->page->lasts[best->slot - 1] != last)
			best->slot--;
	}
}

#endif
