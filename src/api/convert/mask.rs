//! Updates: a resource, and the mask that says which of its fields to change.
//!
//! One more resource that can be updated: its [`Resource`] in the file of its service, with every path of the closed list.
//! What is not on that list cannot be changed by an update, whatever the mask says.

use prost_types::FieldMask;

use super::fields::{Fields, Noted, Read};
use crate::domain::change::Change;

/// Where the mask stands in every request.
const UPDATE_MASK: &str = "update_mask";

/// A resource of the contract that an update can change.
pub(in crate::api) trait Resource: Default {
    /// The field of the request that it stands in.
    const NAME: &'static str;

    /// The fields that an update can change, each with whether it is set: not the default of proto3, or there at all
    /// where it is a message.
    fn updatable(&self) -> Vec<(&'static str, bool)>;
}

/// The fields that an update changes, out of those that its resource lets change.
pub(in crate::api) struct Mask {
    chosen: Vec<&'static str>,
    /// What was wrong with the mask, if anything: then all else is read only to say what is wrong with that.
    noted: Option<Noted>,
}

/// Reads an update: the resource, which must be there, and what the mask says of it.
///
/// `read` gets the resource to read its id, its etag and, by the mask, its fields. The paths of their violations begin
/// with the name of the resource.
pub(in crate::api) fn update<R: Resource, T>(
    fields: &mut Fields,
    resource: Option<&R>,
    mask: Option<&FieldMask>,
    read: impl FnOnce(&mut Fields, &Mask, &R) -> Read<T>,
) -> Read<T> {
    let mask = Mask::read(fields, mask, resource);
    let resource = fields.needed(R::NAME, resource, "must be set")?;
    let value = fields.within(R::NAME, |fields| read(fields, &mask, resource));
    mask.noted.map_or(value, Err)
}

impl Mask {
    /// Reads a mask. One that is absent or empty chooses what is set; a path that it names twice counts once.
    fn read<R: Resource>(fields: &mut Fields, wire: Option<&FieldMask>, resource: Option<&R>) -> Self {
        let updatable = resource.map_or_else(|| R::default().updatable(), R::updatable);
        let paths = wire.map(|mask| mask.paths.as_slice()).unwrap_or_default();
        let mut mask = Self { chosen: Vec::new(), noted: None };
        if paths.is_empty() {
            mask.chosen = updatable.into_iter().filter(|(_, is_set)| *is_set).map(|(path, _)| path).collect();
            // Of a resource that is not there at all, that alone is said.
            if mask.chosen.is_empty() && resource.is_some() {
                mask.noted = fields.refuse::<()>(UPDATE_MASK, "names no field to change, and none is set").err();
            }
            return mask;
        }
        for (place, path) in paths.iter().enumerate() {
            match updatable.iter().find(|(known, _)| known == path) {
                Some((known, _)) if mask.chosen.contains(known) => {}
                Some((known, _)) => mask.chosen.push(known),
                None => {
                    let path = format_args!("{UPDATE_MASK}.paths[{place}]");
                    mask.noted = fields.refuse::<()>(path, "is not a field that can be changed here").err();
                }
            }
        }
        mask
    }

    /// Reads the field at `path` if it is to change.
    pub(in crate::api) fn change<T>(
        &self,
        fields: &mut Fields,
        path: &'static str,
        read: impl FnOnce(&mut Fields, &'static str) -> Read<T>,
    ) -> Read<Change<T>> {
        if self.chosen.contains(&path) { read(fields, path).map(Change::Set) } else { Ok(Change::Keep) }
    }

    /// Reads the field at `path`, the only one that its resource lets change.
    pub(in crate::api) fn only<T>(
        &self,
        fields: &mut Fields,
        path: &'static str,
        read: impl FnOnce(&mut Fields, &'static str) -> Read<T>,
    ) -> Read<T> {
        match (self.change(fields, path, read)?, self.noted) {
            (Change::Set(value), _) => Ok(value),
            // Said already, when the mask was read.
            (Change::Keep, Some(noted)) => Err(noted),
            (Change::Keep, None) => fields.refuse(path, "must be set"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::Failure;

    /// A resource with two fields, one of them a message, and an output-only one.
    #[derive(Default)]
    struct Thing {
        name: String,
        scope: Option<String>,
        etag: String,
    }

    impl Resource for Thing {
        const NAME: &'static str = "thing";

        fn updatable(&self) -> Vec<(&'static str, bool)> {
            vec![("name", !self.name.is_empty()), ("scope", self.scope.is_some())]
        }
    }

    type Changes = (Change<String>, Change<Option<String>>);

    fn read(thing: Option<&Thing>, paths: Option<&[&str]>) -> Result<Changes, Vec<(String, &'static str)>> {
        let mask = paths.map(|paths| FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() });
        let mut fields = Fields::default();
        let value = update(&mut fields, thing, mask.as_ref(), |fields, mask, thing| {
            let etag = fields.needed("etag", (!thing.etag.is_empty()).then_some(()), "must be an etag");
            let name = mask.change(fields, "name", |fields, path| {
                fields.needed(path, (!thing.name.is_empty()).then(|| thing.name.clone()), "must not be empty")
            });
            let scope = mask.change(fields, "scope", |_, _| Ok(thing.scope.clone()));
            etag?;
            Ok((name?, scope?))
        });
        fields.finish(value).map_err(|failure| match failure {
            Failure::Invalid(violations) => {
                violations.into_iter().map(|violation| (violation.field, violation.problem)).collect()
            }
            other => panic!("{other}"),
        })
    }

    fn thing(name: &str, scope: Option<&str>) -> Thing {
        Thing { name: name.to_owned(), scope: scope.map(str::to_owned), etag: "v1".to_owned() }
    }

    fn violation(path: &str, problem: &'static str) -> (String, &'static str) {
        (path.to_owned(), problem)
    }

    const UNKNOWN: &str = "is not a field that can be changed here";
    const NOTHING: &str = "names no field to change, and none is set";

    #[test]
    fn without_a_mask_what_is_set_changes_and_nothing_else() {
        for paths in [None, Some(&[] as &[&str])] {
            assert_eq!(read(Some(&thing("n", None)), paths), Ok((Change::Set("n".to_owned()), Change::Keep)));
            assert_eq!(read(Some(&thing("", Some(""))), paths), Ok((Change::Keep, Change::Set(Some(String::new())))));
        }
    }

    #[test]
    fn with_a_mask_what_it_names_changes_and_nothing_else() {
        assert_eq!(
            read(Some(&thing("n", Some("s"))), Some(&["name"])),
            Ok((Change::Set("n".to_owned()), Change::Keep))
        );
        assert_eq!(read(Some(&thing("n", None)), Some(&["scope"])), Ok((Change::Keep, Change::Set(None))));
    }

    #[test]
    fn a_path_that_is_named_twice_counts_once() {
        assert_eq!(
            read(Some(&thing("n", None)), Some(&["name", "name"])),
            Ok((Change::Set("n".to_owned()), Change::Keep))
        );
    }

    #[test]
    fn an_update_of_nothing_is_refused() {
        for paths in [None, Some(&[] as &[&str])] {
            assert_eq!(read(Some(&thing("", None)), paths), Err(vec![violation("update_mask", NOTHING)]));
        }
    }

    #[test]
    fn only_the_exact_paths_of_the_list_are_taken() {
        for path in ["", "*", "etag", "thing", "thing.name", "Name", "name ", " name", "name.", "scope.only", "nam"] {
            let expected = vec![violation("update_mask.paths[1]", UNKNOWN)];
            assert_eq!(read(Some(&thing("n", None)), Some(&["name", path])), Err(expected), "{path:?}");
        }
    }

    #[test]
    fn a_required_field_that_the_mask_clears_is_refused() {
        let expected = vec![violation("thing.name", "must not be empty")];
        assert_eq!(read(Some(&thing("", None)), Some(&["name"])), Err(expected));
    }

    #[test]
    fn a_resource_that_is_not_there_is_refused_together_with_what_is_wrong_with_the_mask() {
        let missing = violation("thing", "must be set");
        assert_eq!(read(None, None), Err(vec![missing.clone()]));
        assert_eq!(read(None, Some(&["name", "*"])), Err(vec![violation("update_mask.paths[1]", UNKNOWN), missing]));
    }

    #[test]
    fn mask_and_fields_are_refused_together() {
        let expected = vec![
            violation("update_mask.paths[0]", UNKNOWN),
            violation("thing.etag", "must be an etag"),
            violation("thing.name", "must not be empty"),
        ];
        assert_eq!(read(Some(&Thing::default()), Some(&["*", "name"])), Err(expected));
    }

    #[test]
    fn the_only_field_that_can_change_is_not_refused_twice() {
        let only = |name: &str, paths: &[&str]| {
            let mask = FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() };
            let mut fields = Fields::default();
            let value = update(&mut fields, Some(&thing(name, None)), Some(&mask), |fields, mask, thing| {
                mask.only(fields, "name", |_, _| Ok(thing.name.clone()))
            });
            fields.finish(value).map_err(|failure| match failure {
                Failure::Invalid(violations) => violations.into_iter().map(|violation| violation.field).collect(),
                other => vec![other.to_string()],
            })
        };
        assert_eq!(only("n", &[]), Ok("n".to_owned()));
        assert_eq!(only("", &[]), Err(vec!["update_mask".to_owned()]));
        assert_eq!(only("n", &["etag"]), Err(vec!["update_mask.paths[0]".to_owned()]));
    }
}
